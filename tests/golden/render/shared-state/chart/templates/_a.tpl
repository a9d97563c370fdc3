{{ define "dup" }}a{{ end }}
