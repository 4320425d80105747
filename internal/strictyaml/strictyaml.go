// Package strictyaml reads one YAML document into a plain tree in which every node knows its line and column. It is for
// the readers of configuration and reference data, which must report every mistake with its place. It refuses what makes
// YAML surprising or dangerous: anchors, aliases, merge keys, tags, duplicate keys, keys that are no plain text, more
// than one document, deep nesting and large files.
package strictyaml

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of a document.
const (
	// MaxBytes is the largest document.
	MaxBytes = 8 << 20
	// MaxDepth is how deep lists and mappings may nest.
	MaxDepth = 32
	// maxIndent bounds the nesting of block style before the recursive parser sees it.
	maxIndent = 256
)

// Kind says what a Node is.
type Kind uint8

// The kinds of node.
const (
	// Null: nothing, "~" or "null".
	Null Kind = iota
	// Scalar: a text, number, truth value or date; the reader decides which it wants.
	Scalar
	// Map: fields in the order of the document.
	Map
	// List: items in the order of the document.
	List
)

// Node is one value of the document. Line and Column count from 1, Column in characters.
type Node struct {
	Kind         Kind
	Line, Column int
	Text         string // a Scalar's text, without quotes and escapes
	Quoted       bool   // a Scalar was quoted or a block, so it can only be text
	Fields       []Field
	Items        []Node
}

// Field is one entry of a Map.
type Field struct {
	Key          string
	Line, Column int
	Value        Node
}

// Problem is one mistake in a document, in both languages.
type Problem struct {
	Line, Column int
	Zh, En       string
}

// Parse reads a document. An empty one is a Null node. The node can only be used when there is no problem.
func Parse(text []byte) (Node, []Problem) {
	if len(text) > MaxBytes {
		return Node{}, one(1, 1, fmt.Sprintf("文件 %d 字节，最多 %d", len(text), MaxBytes), fmt.Sprintf("file of %d bytes, at most %d", len(text), MaxBytes))
	}
	if !utf8.Valid(text) {
		return Node{}, one(1, 1, "不是 UTF-8 编码，请另存为 UTF-8", "not UTF-8, save it as UTF-8")
	}
	tokens := lexer.Tokenize(string(text))
	if p := checkNesting(tokens); p != nil {
		return Node{}, p
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return Node{}, syntaxProblem(err)
	}
	return convertFile(file)
}

func one(line, column int, zh, en string) []Problem {
	return []Problem{{Line: line, Column: column, Zh: zh, En: en}}
}

// checkNesting runs over the flat tokens, because the parser behind it is recursive and a stack that overflows ends the
// process.
func checkNesting(tokens token.Tokens) []Problem {
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		}
		block := depth <= 0 && (t.Type == token.SequenceEntryType || t.Type == token.MappingKeyType || t.Type == token.MappingValueType)
		if depth > MaxDepth || (block && t.Position.Column > maxIndent) {
			return one(t.Position.Line, t.Position.Column, fmt.Sprintf("嵌套过深，最多 %d 层", MaxDepth), fmt.Sprintf("nested too deep, at most %d levels", MaxDepth))
		}
	}
	return nil
}

func syntaxProblem(err error) []Problem {
	line, column, message := 1, 1, err.Error()
	if syntax, ok := errors.AsType[*yaml.SyntaxError](err); ok {
		message = syntax.GetMessage()
		if t := syntax.GetToken(); t != nil && t.Position != nil {
			line, column = t.Position.Line, t.Position.Column
		}
	}
	return one(line, column, "YAML 语法错误: "+message, "YAML syntax: "+message)
}

func convertFile(file *ast.File) (Node, []Problem) {
	var c converter
	var root Node
	found := false
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if found {
			c.refuse(doc.Body, "只能有一个文档，去掉 ---", "more than one document, remove ---")
			break
		}
		root, found = c.node(doc.Body, 0), true
	}
	return root, c.problems
}

type converter struct{ problems []Problem }

func (c *converter) refuse(n ast.Node, zh, en string) {
	line, column := place(n)
	c.problems = append(c.problems, Problem{Line: line, Column: column, Zh: zh, En: en})
}

func (c *converter) node(n ast.Node, depth int) Node {
	if depth > MaxDepth {
		c.refuse(n, fmt.Sprintf("嵌套过深，最多 %d 层", MaxDepth), fmt.Sprintf("nested too deep, at most %d levels", MaxDepth))
		return Node{}
	}
	var out Node
	out.Line, out.Column = place(n)
	switch n := n.(type) {
	case *ast.NullNode:
		out.Kind = Null
	case *ast.MappingNode:
		out.Kind = Map
		out.Fields = c.fields(n, depth)
	case *ast.SequenceNode:
		out.Kind = List
		for _, v := range n.Values {
			out.Items = append(out.Items, c.node(v, depth+1))
		}
	case *ast.LiteralNode:
		out.Kind, out.Text, out.Quoted = Scalar, n.Value.Value, true
	case *ast.StringNode:
		out.Kind, out.Text = Scalar, n.Value
		out.Quoted = n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		out.Kind, out.Text = Scalar, n.GetToken().Value
	default:
		c.refuse(n, "不支持锚点、别名、合并键和标签", "anchors, aliases, merge keys and tags are not supported")
	}
	return out
}

func (c *converter) fields(n *ast.MappingNode, depth int) []Field {
	var fields []Field
	first := map[string]int{}
	for _, v := range n.Values {
		key := c.node(v.Key, depth+1)
		if _, merge := v.Key.(*ast.MergeKeyNode); merge || key.Kind != Scalar {
			if !merge && key.Kind != Null {
				c.refuse(v.Key, "键必须是普通文字", "a key must be plain text")
			}
			continue
		}
		if line, ok := first[key.Text]; ok {
			c.problems = append(c.problems, Problem{
				Line: key.Line, Column: key.Column,
				Zh: fmt.Sprintf("键 %q 重复，第一次在第 %d 行", key.Text, line),
				En: fmt.Sprintf("key %q twice, first on line %d", key.Text, line),
			})
			continue
		}
		first[key.Text] = key.Line
		fields = append(fields, Field{Key: key.Text, Line: key.Line, Column: key.Column, Value: c.node(v.Value, depth+1)})
	}
	return fields
}

// place is where a reader of the file would point to. A block mapping's own token is its first colon, so its first key
// stands in.
func place(n ast.Node) (line, column int) {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return place(m.Values[0].Key)
	}
	t := n.GetToken()
	if t == nil || t.Position == nil {
		return 1, 1
	}
	return t.Position.Line, t.Position.Column
}
