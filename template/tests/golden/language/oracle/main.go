// The oracle of the language goldens: reads cases, one JSON object a line, and writes them back with what Go's
// own text/template answers. Run in this folder with Go 1.26:
//
//	for f in cases random; do go run . < ../$f.jsonl > ../new.jsonl && mv ../new.jsonl ../$f.jsonl; done
package main

import (
	"bufio"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/template"
	"unicode/utf8"
)

//go:embed data.json
var defaultData []byte

type testCase struct {
	Template   string            `json:"template"`
	Others     map[string]string `json:"others,omitempty"`
	Data       json.RawMessage   `json:"data,omitempty"`
	MissingKey string            `json:"missingkey,omitempty"`
	Left       string            `json:"left,omitempty"`
	Right      string            `json:"right,omitempty"`
	Output     *string           `json:"output,omitempty"`
	OutputHex  string            `json:"output_hex,omitempty"`
	Error      string            `json:"error,omitempty"`
}

type color int

func (c color) String() string { return fmt.Sprintf("color-%d", int(c)) }

func (c color) Next() color { return c + 1 }

type point struct{ X, Y int }

func (p point) Sum(extra int) int { return p.X + p.Y + extra }

func (p point) Fail() (string, error) { return "", errors.New("point failed") }

type values map[string]any

func (v values) Table(name string) any { return v[name] }

func functions(set *template.Template, included map[string]int) template.FuncMap {
	return template.FuncMap{
		"dict": func(pairs ...any) map[string]any {
			m := map[string]any{}
			for i := 0; i+1 < len(pairs); i += 2 {
				m[pairs[i].(string)] = pairs[i+1]
			}
			return m
		},
		"list":     func(items ...any) []any { return items },
		"strs":     func(items ...string) []string { return items },
		"ints":     func(items ...int) []int { return items },
		"bytes":    func(s string) []byte { return []byte(s) },
		"i64":      func(i int) int64 { return int64(i) },
		"u8":       func(i int) uint8 { return uint8(i) },
		"u64":      func(i int) uint64 { return uint64(i) },
		"smap":     func(k, v string) map[string]string { return map[string]string{k: v} },
		"nilmap":   func() map[string]any { return nil },
		"nillist":  func() []any { return nil },
		"set":      func(m map[string]any, k string, v any) map[string]any { m[k] = v; return m },
		"str":      func(s string) string { return s },
		"num":      func(i int) int { return i },
		"flt":      func(f float64) float64 { return f },
		"boo":      func(b bool) bool { return b },
		"uin":      func(u uint) uint { return u },
		"cpx":      func(c complex128) complex128 { return c },
		"size":     func(m map[string]any) int { return len(m) },
		"first":    func(l []any) any { return l[0] },
		"any":      func(a any) any { return a },
		"fail":     func(s string) (string, error) { return "", errors.New(s) },
		"boom":     func() string { panic("boom") },
		"two":      func(s string, i int) string { return fmt.Sprintf("%s-%d", s, i) },
		"many":     func(s string, i ...int) string { return fmt.Sprintf("%s%v", s, i) },
		"err":      func(s string) any { return errors.New(s) },
		"color":    func(i int) color { return color(i) },
		"point":    func(x, y int) point { return point{x, y} },
		"ppoint":   func(x, y int) *point { return &point{x, y} },
		"takespt":  func(p point) int { return p.X },
		"values":   func(m map[string]any) values { return values(m) },
		"fn":       func() func(int, int) int { return func(a, b int) int { return a*10 + b } },
		"kind":     func(a any) string { return fmt.Sprintf("%T", a) },
		"truncate": func(n int, s string) string { return s[:n] },
		"include": func(name string, data any) (string, error) {
			var out strings.Builder
			if included[name] > 1000 {
				return "", fmt.Errorf("rendering template has a nested reference name: %s: %w", name, errors.New("unable to execute template"))
			}
			included[name]++
			err := set.ExecuteTemplate(&out, name, data)
			included[name]--
			return out.String(), err
		},
		"tpl": func(text string, data any) (string, error) {
			clone, err := set.Clone()
			if err != nil {
				return "", err
			}
			clone.Funcs(functions(clone, included))
			parsed, err := clone.New(set.Name()).Parse(text)
			if err != nil {
				return "", fmt.Errorf("cannot parse template %q: %w", text, err)
			}
			var out strings.Builder
			if err := parsed.Execute(&out, data); err != nil {
				return "", fmt.Errorf("error during tpl function execution for %q: %w", text, err)
			}
			return strings.ReplaceAll(out.String(), "<no value>", ""), nil
		},
	}
}

func answer(c *testCase) (string, error) {
	set := template.New("gotpl").Delims(c.Left, c.Right)
	if c.MissingKey != "" {
		set.Option("missingkey=" + c.MissingKey)
	}
	set.Funcs(functions(set, map[string]int{}))
	for name, text := range c.Others {
		if _, err := set.New(name).Parse(text); err != nil {
			return "", err
		}
	}
	if _, err := set.New("t.yaml").Parse(c.Template); err != nil {
		return "", err
	}
	raw := c.Data
	if raw == nil {
		// A case without data has that of data.json.
		raw = defaultData
	}
	var data any
	if err := json.Unmarshal(raw, &data); err != nil {
		panic(err)
	}
	var out strings.Builder
	err := set.ExecuteTemplate(&out, "t.yaml", data)
	return out.String(), err
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for in.Scan() {
		var c testCase
		if err := json.Unmarshal(in.Bytes(), &c); err != nil {
			panic(err)
		}
		c.Output, c.OutputHex, c.Error = nil, "", ""
		text, err := answer(&c)
		switch {
		case err != nil:
			c.Error = err.Error()
		case utf8.ValidString(text):
			c.Output = &text
		default:
			c.OutputHex = hex.EncodeToString([]byte(text))
		}
		if err := out.Encode(&c); err != nil {
			panic(err)
		}
	}
}
