{{ define "dup" }}sub{{ end }}
