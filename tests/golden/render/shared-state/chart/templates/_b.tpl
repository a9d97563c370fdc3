{{ define "dup" }}b{{ end }}
