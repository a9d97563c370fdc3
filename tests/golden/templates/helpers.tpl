{{- define "h.ret" -}}{{ set . "x" 1 | toJson }}{{- end -}}
{{- define "h.nested" -}}[{{ . }}]{{- end -}}
{{- define "h.nl" }}
  line
{{ end -}}
{{- define "h.dollar" -}}{{ $ }}{{- end -}}