{{ define "h" }}
  {{ required "value a is needed" .Values.a }}{{ end }}{{ define "f" }}{{ fail "author says: no" }}{{ end }}{{ define "n" }}{{ .Values.x.y.z }}{{ end }}
