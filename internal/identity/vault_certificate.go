package identity

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrChain says that certificates are not the ones that were written, or not all of them.
var ErrChain = errors.New("删除凭证链断裂 / the chain of certificates is broken")

// Erasure is an order to delete a person's identity.
type Erasure struct {
	AtMs   int64 // milliseconds since the Unix epoch
	Who    string
	Base   string
	Person string // id
	Reason string
}

// Kept says how many rows of one kind stay when an identity is deleted. They name the person by the id only.
type Kept struct {
	Kind string `json:"kind"`
	Rows int64  `json:"rows"`
}

// Certificate is the proof that an identity was deleted: what, when, by whom, why, and what stays. Each holds the hash of the
// one before it.
type Certificate struct {
	Number    int64  `json:"number"` // from 1, without gap
	Previous  string `json:"previous"`
	AtMs      int64  `json:"at_ms"`
	Who       string `json:"who"`
	Base      string `json:"base"`
	Person    string `json:"person"`
	Reason    string `json:"reason"`
	Digest    string `json:"sealed_digest"` // SHA-256 of the sealed record that was deleted
	KeyID     string `json:"key_id"`        // of the key that it was sealed with
	WrittenMs int64  `json:"written_ms"`    // when that record had been written last
	Kept      []Kept `json:"kept"`
	Hash      string `json:"hash,omitempty"` // SHA-256 of all the rest
}

// Certify writes the certificate of an erasure. was is the certificate before it, the zero Certificate for the first.
func Certify(e Erasure, deleted Stored, kept []Kept, was Certificate) Certificate {
	sum := sha256.Sum256(deleted.Blob)
	c := Certificate{
		Number: was.Number + 1, Previous: was.Hash, AtMs: e.AtMs, Who: e.Who, Base: e.Base, Person: e.Person, Reason: e.Reason,
		Digest: "sha256:" + hex.EncodeToString(sum[:]), KeyID: deleted.KeyID, WrittenMs: deleted.UpdatedMs, Kept: kept,
	}
	c.Hash = c.hash()
	return c
}

func (c Certificate) hash() string {
	c.Hash = ""
	text, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("identity: a certificate cannot be written as JSON: %v", err)) // it has texts and numbers only
	}
	sum := sha256.Sum256(append([]byte("jishi deletion certificate v1\n"), text...))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// JSON returns the certificate on one line, as ParseCertificate reads it.
func (c Certificate) JSON() []byte {
	text, err := json.Marshal(c)
	if err != nil {
		panic(fmt.Sprintf("identity: a certificate cannot be written as JSON: %v", err)) // it has texts and numbers only
	}
	return text
}

// ParseCertificate reads one certificate and holds it to its own hash. The error is ErrChain when it is another one's.
func ParseCertificate(text []byte) (Certificate, error) {
	if len(text) > 64<<10 {
		return Certificate{}, fmt.Errorf("read certificate: %d bytes, at most 64 KiB", len(text))
	}
	var c Certificate
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&c); err != nil {
		return Certificate{}, fmt.Errorf("read certificate: %w", err)
	}
	if dec.More() {
		return Certificate{}, errors.New("read certificate: something follows it")
	}
	if c.hash() != c.Hash {
		return Certificate{}, fmt.Errorf("certificate %d does not fit its hash: %w", c.Number, ErrChain)
	}
	return c, nil
}

// CheckChain holds certificates, all from the first on, to each other. The error is ErrChain and names the first that is
// wrong.
func CheckChain(list []Certificate) error {
	var was Certificate
	for _, c := range list {
		if c.Number != was.Number+1 || c.Previous != was.Hash || c.hash() != c.Hash {
			return fmt.Errorf("certificate %d: %w", was.Number+1, ErrChain)
		}
		was = c
	}
	return nil
}

// Text returns the certificate for people, in Chinese and English.
func (c Certificate) Text() string {
	var b strings.Builder
	line := func(zh, en, format string, args ...any) {
		fmt.Fprintf(&b, "%s %s: %s\n", zh, en, fmt.Sprintf(format, args...))
	}
	b.WriteString("个人信息删除凭证 Certificate of deletion\n\n")
	line("编号", "number", "%d", c.Number)
	line("删除时间", "deleted at", "%s", shanghaiTime(c.AtMs))
	line("经办人", "deleted by", "%s", c.Who)
	line("基地", "base", "%s", c.Base)
	line("人员编号", "person", "%s", c.Person)
	line("原因", "reason", "%s", c.Reason)
	line("已删除", "deleted", "姓名、证件号码、手机（加密保存）name, ID number and phone, as they were sealed")
	line("密文摘要", "digest of the sealed record", "%s", c.Digest)
	line("密钥编号", "key", "%s", c.KeyID)
	line("最后写入", "last written", "%s", shanghaiTime(c.WrittenMs))
	b.WriteString("\n保留（只含人员编号，不含身份） What stays, by the person's id only:\n")
	for _, k := range c.Kept {
		fmt.Fprintf(&b, "  %-24s %d\n", k.Kind, k.Rows)
	}
	b.WriteString("\n")
	line("上一凭证", "certificate before", "%s", orNone(c.Previous))
	line("本凭证", "this certificate", "%s", c.Hash)
	return b.String()
}

func orNone(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// shanghai is UTC+8, as everywhere in the reports.
func shanghai() *time.Location { return time.FixedZone("Asia/Shanghai", 8*3600) }

func shanghaiTime(ms int64) string {
	return time.UnixMilli(ms).In(shanghai()).Format("2006-01-02 15:04:05 -07:00")
}
