package workbook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"github.com/jishi-telemetry/jishi/internal/workbook"
)

// grid is the rows of a sheet, the header first. A float64 or an int is a cell of a number, a string one of text.
type grid [][]any

// named is a sheet in its place.
type named struct {
	name string
	rows grid
}

// xlsx makes a workbook as Excel would.
func xlsx(t testing.TB, sheets ...named) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	for i, s := range sheets {
		name := s.name
		var err error
		if i == 0 {
			err = f.SetSheetName("Sheet1", name)
		} else {
			_, err = f.NewSheet(name)
		}
		if err != nil {
			t.Fatal(err)
		}
		w, err := f.NewStreamWriter(name)
		if err != nil {
			t.Fatal(err)
		}
		for j, row := range s.rows {
			cell, err := excelize.CoordinatesToCellName(1, j+1)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.SetRow(cell, row); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// cells makes a grid of texts from lines with "|" between cells.
func cells(lines ...string) grid {
	var g grid
	for _, l := range lines {
		var row []any
		for part := range strings.SplitSeq(l, "|") {
			row = append(row, strings.TrimSpace(part))
		}
		g = append(g, row)
	}
	return g
}

// options are those of a city that has keys.
func options() workbook.Options {
	return workbook.Options{
		Identity: func(number string) string { return keyed("id", number) },
		CardToken: func(base, number string) (string, error) {
			if len(number) < 6 {
				return "", errors.New("too short")
			}
			return keyed("card "+base, strings.ToUpper(number))[:16], nil
		},
	}
}

func keyed(domain, text string) string {
	h := hmac.New(sha256.New, []byte("a key for tests"))
	h.Write([]byte(domain + "\n" + text))
	return hex.EncodeToString(h.Sum(nil))
}

// template is the workbook that everybody starts with.
func template(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := workbook.WriteTemplate(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// mustImport imports what is right.
func mustImport(t testing.TB, current workbook.Content, o workbook.Options, files ...workbook.File) *workbook.Change {
	t.Helper()
	change, err := workbook.Import(current, files, o)
	if err != nil {
		t.Fatalf("import: %v", err)
	}
	return change
}

// mistakesOf imports what is wrong.
func mistakesOf(t testing.TB, current workbook.Content, o workbook.Options, files ...workbook.File) workbook.Mistakes {
	t.Helper()
	change, err := workbook.Import(current, files, o)
	var mistakes workbook.Mistakes
	if !errors.As(err, &mistakes) || change != nil {
		t.Fatalf("got %v, %v, want mistakes and no change", change, err)
	}
	return mistakes
}
