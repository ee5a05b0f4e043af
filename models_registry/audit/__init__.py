"""The audit trail: who wrote what, which requests were denied, and who logged in to the admin."""
