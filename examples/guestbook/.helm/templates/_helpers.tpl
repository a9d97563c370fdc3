{{- define "guestbook.labels" -}}
app.kubernetes.io/name: {{ .name }}
app.kubernetes.io/part-of: {{ .root.Chart.Name }}
{{- end }}

{{- /* What every pod here has: nobody special, nothing to write to, credentials to pull. */}}
{{- define "guestbook.pod" -}}
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{- define "guestbook.container" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{- define "guestbook.probes" -}}
readinessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 2
livenessProbe:
  httpGet: {path: /healthz, port: http}
  initialDelaySeconds: 10
  periodSeconds: 10
{{- end }}

{{- /* The backend's settings: its ConfigMap and the Job that checks them use the same. */}}
{{- define "guestbook.backendSettings" -}}
MAX_ENTRIES: {{ .Values.backend.maxEntries | quote }}
MAX_LENGTH: {{ .Values.backend.maxLength | quote }}
{{- end }}
