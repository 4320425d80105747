package embedded

import (
	"fmt"

	"zombiezen.com/go/sqlite"
)

// rows are the answer to one statement. What is read of a row is read of the one that next went to.
//
// Evidence is read row by row through the engine's own calls: database/sql would take three times as long for each, most of
// it locks that a connection with one user does not need, and boxes for values.
type rows struct {
	stmt *sqlite.Stmt
	buf  []byte
}

// ask sends a statement; args are int64 and string. The rows must be closed.
func (v *snapshot) ask(text string, args ...any) (*rows, error) {
	// Not one of the connection's cached statements: several cursors have the same text.
	stmt, _, err := v.conn.PrepareTransient(text)
	if err != nil {
		return nil, err
	}
	for i, arg := range args {
		switch arg := arg.(type) {
		case int64:
			stmt.BindInt64(i+1, arg)
		case string:
			stmt.BindText(i+1, arg)
		default:
			r := &rows{stmt: stmt}
			r.close()
			return nil, fmt.Errorf("argument %d is a %T", i+1, arg)
		}
	}
	return &rows{stmt: stmt}, nil
}

// each calls step for every row, and closes the rows.
func (r *rows) each(step func() error) error {
	defer r.close()
	for {
		ok, err := r.next()
		if err != nil || !ok {
			return err
		}
		if err := step(); err != nil {
			return err
		}
	}
}

// next goes to the next row and reports whether there is one.
func (r *rows) next() (bool, error) { return r.stmt.Step() }

// close ends the statement. What it could say was said by next.
func (r *rows) close() { _ = r.stmt.Finalize() } //nolint:errcheck // see above

func (r *rows) integer(column int) int64 { return r.stmt.ColumnInt64(column) }

func (r *rows) text(column int) string { return r.stmt.ColumnText(column) }

// blob returns a column's bytes, which the next call of blob overwrites.
func (r *rows) blob(column int) []byte {
	n := r.stmt.ColumnBytes(column, r.buf)
	if n == len(r.buf) { // perhaps not all of it
		r.buf = make([]byte, max(2*r.stmt.ColumnLen(column), 256))
		n = r.stmt.ColumnBytes(column, r.buf)
	}
	return r.buf[:n]
}
