package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/atomicfile"
	"github.com/jishi-telemetry/jishi/internal/dialect/card"
	"github.com/jishi-telemetry/jishi/internal/enrol"
	"github.com/jishi-telemetry/jishi/internal/frame"
)

func newAccept() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "accept FILE", Short: "Take the city's approval of this bridge 接受市级回执", Args: cobra.ExactArgs(1),
		Long: "Verifies the city's answer to `jishi bridge enroll`, writes the city's card key to this bridge's data directory, and\n" +
			"puts a new signing key in place when that was asked for. The first time it shows the city's fingerprint: compare it\n" +
			"over the phone; later answers must be signed by the same city. Start the bridge again afterwards.",
		Example: "  jishi bridge accept cq01-b1.approval",
	}
	c := withSettingsNamed(cmd, "base.code", "bridge.id", "bridge.key", "card.key")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.run(cmd, func(context.Context) error { return accept(c, cmd, args[0], yes) })
	}
	return cmd
}

// acceptance is what an approval would change at a base.
type acceptance struct {
	approval *enrol.Approval
	key      string // path of the signing key
	pin      string // path of the city's public key
	cardPath string // of the card key

	cardKey   []byte // the city's
	oldCard   []byte // the base's own, nil when it has none
	newCity   bool   // nothing is pinned yet
	switchKey bool   // the next key takes the place of the key
}

func accept(c *settings, cmd *cobra.Command, file string, yes bool) error {
	text, err := readDocument(file)
	if err != nil {
		return err
	}
	approval, err := enrol.ParseApproval(text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	a := &acceptance{
		approval: approval, key: c.path("bridge.key", "bridge.key"),
		pin: filepath.Join(c.dir, cityPinName), cardPath: c.path("card.key", cardKeyName),
	}
	if base, id := c.String("base.code"), c.String("bridge.id"); approval.Base != base || approval.Bridge != id {
		return usageError{fmt.Errorf("%s is for bridge %s/%s, this is %s/%s (--base.code, --bridge.id)", file, approval.Base, approval.Bridge, base, id)}
	}
	if err := a.examine(filepath.Join(c.dir, sealingName)); err != nil {
		return err
	}
	if err := a.show(cmd.OutOrStdout()); err != nil {
		return err
	}
	if err := confirm(cmd, yes); err != nil {
		return err
	}
	if err := a.apply(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), "已完成，请重新启动网桥。 Done; start the bridge again.")
	return err
}

// examine finds out what the approval would change, and refuses what is not meant for this bridge by its own city.
func (a *acceptance) examine(sealingPath string) error {
	if err := a.examineCity(); err != nil {
		return err
	}
	if err := a.examineKey(); err != nil {
		return err
	}
	if _, err := os.Stat(sealingPath); err != nil {
		return fmt.Errorf("the key that the approval is sealed for is gone, ask again with `jishi bridge enroll`: %w", err)
	}
	sealing, err := enrol.SealingKey(sealingPath)
	if err != nil {
		return err
	}
	if a.cardKey, err = a.approval.CardKey(sealing); err != nil {
		return fmt.Errorf("was the request made before the present %s? ask again with `jishi bridge enroll`: %w", sealingPath, err)
	}
	a.oldCard, err = enrol.ReadCardKey(a.cardPath)
	if errors.Is(err, fs.ErrNotExist) {
		a.oldCard, err = nil, nil
	}
	return err
}

func (a *acceptance) examineCity() error {
	text, err := os.ReadFile(a.pin)
	if errors.Is(err, fs.ErrNotExist) {
		a.newCity = true
		return nil
	}
	if err != nil {
		return err
	}
	pinned, err := frame.ParsePublic(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", a.pin, err)
	}
	if !pinned.Equal(a.approval.City) {
		return fmt.Errorf("the approval is signed by another city, fingerprint %s, than the one this base trusts, %s; "+
			"when the city says over the phone that it has a new key, remove %s and accept again",
			enrol.CityFingerprint(a.approval.City), enrol.CityFingerprint(pinned), a.pin)
	}
	return nil
}

func (a *acceptance) examineKey() error {
	for _, path := range []string{a.key, a.key + nextKeySuffix} {
		key, err := frame.ReadKey(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if publicKey(key).Equal(a.approval.Signing) {
			a.switchKey = path != a.key
			return nil
		}
	}
	return fmt.Errorf("the approval is for the signing key %s, which is not here: ask again with `jishi bridge enroll`",
		frame.Fingerprint(a.approval.Signing))
}

func (a *acceptance) show(w io.Writer) error {
	lines := []string{fmt.Sprintf("市级回执 approval of %s/%s, %s", a.approval.Base, a.approval.Bridge, shanghai(a.approval.Approved.UnixMilli()))}
	city := "已信任 trusted"
	if a.newCity {
		city = "首次使用，请电话核对 used for the first time, compare over the phone"
	}
	lines = append(lines, fmt.Sprintf("市级指纹 city:         %s（%s）", enrol.CityFingerprint(a.approval.City), city))
	switch {
	case a.oldCard == nil:
		lines = append(lines, "卡号密钥 card key:     写入 written, id "+a.approval.CardKeyID)
	case string(a.oldCard) != string(a.cardKey):
		lines = append(lines, "卡号密钥 card key:     更换 replaced, id "+a.approval.CardKeyID+"；同一张卡的令牌将改变 the token of every card changes")
	default:
		lines = append(lines, "卡号密钥 card key:     不变 unchanged, id "+a.approval.CardKeyID)
	}
	if a.switchKey {
		lines = append(lines, "签名密钥 signing key:  启用新密钥 the new one is put in place, "+frame.Fingerprint(a.approval.Signing))
	} else {
		lines = append(lines, "签名密钥 signing key:  不变 unchanged, "+frame.Fingerprint(a.approval.Signing))
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// apply changes the files, in an order in which each step can be repeated when the next one failed.
func (a *acceptance) apply() error {
	if a.newCity {
		if err := atomicfile.Write(a.pin, []byte(frame.PublicText(a.approval.City)+"\n"), 0o644); err != nil {
			return err
		}
	}
	if string(a.oldCard) != string(a.cardKey) {
		if err := a.writeCardKey(); err != nil {
			return err
		}
	}
	if !a.switchKey {
		return nil
	}
	// The old key stays beside until a person removes it: when the city took the new one back, the bridge could not speak.
	old := a.key + oldKeySuffix
	if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Link(a.key, old); err != nil {
		return fmt.Errorf("keep the old signing key: %w", err)
	}
	if err := os.Rename(a.key+nextKeySuffix, a.key); err != nil {
		return fmt.Errorf("put the new signing key in place: %w", err)
	}
	return atomicfile.SyncDir(filepath.Dir(a.key))
}

// writeCardKey keeps a card key that was there under the name of its tokens: old tokens can only be explained with it.
func (a *acceptance) writeCardKey() error {
	if a.oldCard != nil {
		if err := os.Rename(a.cardPath, a.cardPath+"."+card.KeyID(a.oldCard)); err != nil {
			return fmt.Errorf("keep the old card key: %w", err)
		}
	}
	return enrol.WriteCardKey(a.cardPath, a.cardKey)
}
