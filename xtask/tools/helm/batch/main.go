// Command batch is Helm's engine as an oracle: it answers many small questions in one process.
//
// A line of standard input is a JSON object: template, and maybe values (YAML), helpers (the text of
// _h.tpl), set, setString, setJson, setLiteral (lists of flags). A line of standard output is the answer:
// {"output": …} or {"error": …}; output that is no UTF-8 comes as {"base64": …}. The chart around a template
// has fixed metadata and files, the release is r in namespace ns.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"unicode/utf8"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/strvals"
)

type question struct {
	Template   string   `json:"template"`
	Values     string   `json:"values"`
	Helpers    string   `json:"helpers"`
	Set        []string `json:"set"`
	SetString  []string `json:"setString"`
	SetJSON    []string `json:"setJson"`
	SetLiteral []string `json:"setLiteral"`
}

type answer struct {
	Output *string `json:"output,omitempty"`
	Base64 *string `json:"base64,omitempty"`
	Error  *string `json:"error,omitempty"`
}

func ask(q question) (text string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	values, err := chartutil.ReadValues([]byte(q.Values))
	if err != nil {
		return "", err
	}
	for _, flag := range []struct {
		lines []string
		parse func(string, map[string]interface{}) error
	}{
		{q.SetJSON, strvals.ParseJSON},
		{q.Set, strvals.ParseInto},
		{q.SetString, strvals.ParseIntoString},
		{q.SetLiteral, strvals.ParseLiteralInto},
	} {
		for _, line := range flag.lines {
			if err := flag.parse(line, values); err != nil {
				return "", err
			}
		}
	}
	c := &chart.Chart{
		Metadata: &chart.Metadata{APIVersion: "v2", Name: "c", Version: "1.2.3", AppVersion: "9.9"},
		Templates: []*chart.File{
			{Name: "templates/t.yaml", Data: []byte(q.Template)},
			{Name: "templates/_h.tpl", Data: []byte(q.Helpers)},
		},
		Files: []*chart.File{
			{Name: "a.txt", Data: []byte("x\ny\n")},
			{Name: "cfg/b.yaml", Data: []byte("k: v")},
			{Name: "cfg/bin", Data: []byte{0xff, 0xfe}},
		},
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	release := chartutil.ReleaseOptions{Name: "r", Namespace: "ns", Revision: 1, IsInstall: true}
	top, err := chartutil.ToRenderValues(c, values, release, capabilities)
	if err != nil {
		return "", err
	}
	var e engine.Engine
	files, err := e.Render(c, top)
	if err != nil {
		return "", err
	}
	return files["c/templates/t.yaml"], nil
}

func main() {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 64<<20)
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	encoder := json.NewEncoder(output)
	encoder.SetEscapeHTML(false)
	for input.Scan() {
		var q question
		if err := json.Unmarshal(input.Bytes(), &q); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		var a answer
		text, err := ask(q)
		switch {
		case err != nil:
			message := err.Error()
			a.Error = &message
		case utf8.ValidString(text):
			a.Output = &text
		default:
			encoded := base64.StdEncoding.EncodeToString([]byte(text))
			a.Base64 = &encoded
		}
		if err := encoder.Encode(a); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		output.Flush()
	}
}
