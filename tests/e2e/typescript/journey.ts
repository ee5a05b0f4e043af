// Takes a model from registration to its summary, with the types that openapi-typescript makes of openapi.yaml.
// Arguments: the service's URL, an access token, and a slug of an organization.

import type { components, operations } from "./schema";

declare const process: { argv: string[] };

type Json<Content> = Content extends { content: { "application/json": infer Type } } ? Type : never;
type Body<Operation> = Operation extends { requestBody?: infer Content } ? Json<NonNullable<Content>> : never;
type Responses<Name extends keyof operations> = operations[Name]["responses"];

const [base, token, organization] = process.argv.slice(2) as [string, string, string];

async function send(method: string, path: string, status: unknown, body: BodyInit | undefined, type?: string) {
  const headers = { Authorization: `Bearer ${token}`, ...(type && { "Content-Type": type }) };
  const response = await fetch(`${base}/api/v1/${path}`, { method, headers, body });
  if (response.status !== status) {
    throw new Error(`${method} ${path}: ${response.status}, not ${status}: ${await response.text()}`);
  }
  return response.json();
}

async function call<Name extends keyof operations, Status extends keyof Responses<Name>>(
  operation: Name,
  method: string,
  path: string,
  status: Status,
  body?: Body<operations[Name]>,
): Promise<Json<Responses<Name>[Status]>> {
  const json = body === undefined ? undefined : JSON.stringify(body);
  return send(method, path, status, json, json && "application/json");
}

async function upload(path: string, predictions: string): Promise<components["schemas"]["Evaluation"]> {
  const form = new FormData();
  form.set("dataset_split", "test" satisfies components["schemas"]["EvaluationInputRequest"]["dataset_split"]);
  form.set("file", new Blob([predictions]), "predictions.csv");
  return send("POST", path, 202, form);
}

async function ended(id: string): Promise<components["schemas"]["Evaluation"]> {
  for (;;) {
    const evaluation = await call("get_evaluation", "GET", `evaluations/${id}`, 200);
    if (evaluation.finished_at !== null) return evaluation;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

const { model_id } = await call("register_model", "POST", "models", 201, {
  organization,
  name: "demand (TypeScript)",
  task_type: "regression",
});
const { version_id } = await call("create_version", "POST", `models/${model_id}/versions`, 201, { tags: ["first"] });
const version = `models/${model_id}/versions/${version_id}`;
await call("update_version", "PATCH", version, 200, { state: "completed" });

const evaluation = await ended((await upload(`${version}/evaluations`, "actual,predicted\n1,1.5\n2,2.5\n3,2.5\n")).id);
if (evaluation.problem !== null) throw new Error(evaluation.problem.detail);
if (evaluation.snapshot?.task_type !== "regression") throw new Error("the snapshot is of another task type");

await call("set_model_gate_policy", "PUT", `models/${model_id}/gate-policy`, 201, {
  rules: [{ metric: "rmse", operator: "<=", threshold: 1 }],
});
const verdict = await call("get_gate", "GET", `models/${model_id}/performance/gate`, 200);
if (verdict.status !== "passed") throw new Error(`the gate says ${verdict.status}`);
await call("promote_version", "POST", `${version}/promote`, 200, { reason: "passed its gate" });

const summary = await call("get_performance_summary", "GET", `models/${model_id}/performance/summary`, 200);
if (summary.task_type !== "regression") throw new Error("the summary is of another task type");
console.log(JSON.stringify([summary.version_id, summary.metrics.rmse, evaluation.snapshot.metrics.rmse]));
