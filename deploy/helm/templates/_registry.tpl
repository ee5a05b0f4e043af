{{/* The labels of a part of the service: `registry.labels` and `registry.selector` take the root and the part's name. */}}
{{- define "registry.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "registry.labels" -}}
{{ include "registry.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- define "registry.name" -}}
{{ printf "%s-%s" .root.Release.Name .part | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "registry.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{/* The first host of ALLOWED_HOSTS, which probes name. */}}
{{- define "registry.host" -}}
{{ index (splitList "," .Values.config.ALLOWED_HOSTS) 0 | trim | trimPrefix "." | replace "*" "localhost" }}
{{- end }}

{{/* What every pod of the service has. */}}
{{- define "registry.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "registry.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* A container of the service: its image, variables and files. */}}
{{- define "registry.container" -}}
image: {{ include "registry.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  runAsUser: 10001
  runAsGroup: 10001
  {{- include "registry.confined" . | nindent 2 }}
volumeMounts:
  - {name: files, mountPath: /app/var/storage}
  - {name: temporary, mountPath: /app/var/tmp}
  - {name: temporary, mountPath: /tmp}
{{- end }}

{{/* Where the variables of a container come from: the values, and the Secret of the service. */}}
{{- define "registry.environment" -}}
- configMapRef: {name: {{ include "registry.name" (dict "root" . "part" "config") }}}
- secretRef: {name: {{ .Values.secretName }}}
{{- end }}

{{- define "registry.volumes" -}}
- name: temporary
  emptyDir: {}
- name: files
  {{- if .Values.persistence.enabled }}
  persistentVolumeClaim:
    claimName: {{ .Values.persistence.existingClaim | default (include "registry.name" (dict "root" . "part" "files")) }}
  {{- else }}
  emptyDir: {}
  {{- end }}
{{- end }}
