package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jishi-telemetry/jishi/internal/credential"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/enrol"
	"github.com/jishi-telemetry/jishi/internal/registry"
)

// checkEdge looks at what a base's bridge needs besides its key: its base, credentials, card key and dialects.
func checkEdge(c *settings, reg *registry.Registry) []finding {
	key, out := checkCardKey(c)
	out = append(out, checkBase(c, reg), checkDialects(c, key))
	return append(out, checkCredentials(c)...)
}

// checkBase looks for the bridge's base in the registry, where there is one.
func checkBase(c *settings, reg *registry.Registry) finding {
	code := c.String("base.code")
	if reg == nil {
		return finding{}
	}
	if _, ok := reg.Base(code); !ok {
		return finding{
			warning, fmt.Sprintf("登记数据中没有基地 the registry has no base %s (--base.code)", code),
			"it has " + baseCodes(reg) + "; a bridge of another base is stored and never shown",
		}
	}
	return finding{good, "基地 base " + code, ""}
}

// checkCardKey reads the key for card tokens.
func checkCardKey(c *settings) ([]byte, []finding) {
	path := c.path("card.key", cardKeyName)
	key, err := enrol.ReadCardKey(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, []finding{{warning, "尚无卡号密钥 no card key at " + path, "the bridge makes one of its own at its first start; `jishi bridge enroll` asks the city for its key"}}
	case err != nil:
		return nil, []finding{{bad, "卡号密钥 card key: " + err.Error(), ""}}
	}
	return key, []finding{{good, "卡号密钥 card key " + card.KeyID(key), ""}}
}

// checkDialects reads the dialects file and the mappings it names.
func checkDialects(c *settings, key []byte) finding {
	router, err := dialects(c, c.String("base.code"), key)
	if err != nil {
		return finding{bad, "方言 dialects: " + err.Error(), "deploy/dialects.yaml shows every key; `jishi map check` reads mappings alone"}
	}
	return finding{good, fmt.Sprintf("方言 dialects: %d", len(router.Dialects())), ""}
}

// checkCredentials reads the file of who may connect to the base's broker.
func checkCredentials(c *settings) []finding {
	path := credentialsPath(c)
	f, err := credential.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []finding{{warning, "尚无终端凭据 no device has credentials", "only this machine reaches the broker; `jishi device add NAME` makes the first"}}
	case err != nil:
		return []finding{{bad, "终端凭据 credentials: " + err.Error(), "`jishi device check` lists every mistake"}}
	}
	return examineCredentials(path, f, time.Now())
}
