{{ define "outer" }}[{{ .Values.name }}]{{ end }}{{ define "rec" }}{{ if gt (int .) 0 }}{{ . }},{{ include "rec" (sub (int .) 1) }}{{ end }}{{ end }}
