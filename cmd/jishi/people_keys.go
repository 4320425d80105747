package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/jishi-telemetry/jishi/internal/identity"
)

// dropAfter is how old the newest key must be before the older ones may be dropped: a process that read its keys before
// the rotation may still be putting what an older one sealed into the ledger.
const dropAfter = time.Hour

func newPeopleKeys(c *settings) *cobra.Command {
	var make bool
	cmd := &cobra.Command{
		Use: "keys", Short: "Show which keys there are and what they seal 密钥状态", Args: cobra.NoArgs,
		Long: "列出身份密钥（编号、生成时间、各加密多少人），不显示密钥本身。\n" +
			"Lists the identity keys by id, with their age and how many identities each seals, never a key.",
	}
	cmd.Flags().BoolVar(&make, "make", false, "make keys when there are none, to back them up before the first import 没有时生成")
	cmd.RunE = peopleCommand(c, func(cmd *cobra.Command, o *office, _ []string) error {
		vault, err := openVault(cmd.Context(), o, make)
		if err != nil {
			return err
		}
		return sayKeys(cmd.Context(), cmd.OutOrStdout(), o, vault)
	})
	return cmd
}

func sayKeys(ctx context.Context, w io.Writer, o *office, vault *identity.Vault) error {
	ring, err := vault.Keys()
	if err != nil {
		return err
	}
	used, err := o.ledger.IdentityKeys(ctx)
	if err != nil {
		return err
	}
	var b strings.Builder
	from := o.keyPath()
	if from == "" {
		from = "identity.keyring（设置 setting）"
	}
	fmt.Fprintf(&b, "密钥文件 keys: %s\n", printable(from))
	hash := ring.HashKey()
	fmt.Fprintf(&b, "散列 hash: %s，生成于 made %s，不轮换 never rotated\n", hash.ID, shanghai(hash.MadeMs))
	for _, k := range ring.Keys() {
		newest := ""
		if k == ring.Newest() {
			newest = "，在用 seals"
		}
		fmt.Fprintf(&b, "加密 seal: %s，生成于 made %s，%d 人 identities%s\n", k.ID, shanghai(k.MadeMs), used[k.ID], newest)
		delete(used, k.ID)
	}
	for _, id := range sortedKeys(used) {
		fmt.Fprintf(&b, "✗ 缺少密钥 missing key: %s，%d 人无法读出 identities cannot be read\n", id, used[id])
	}
	_, err = io.WriteString(w, b.String())
	return err
}

func sortedKeys(m map[string]int) []string { return slices.Sorted(maps.Keys(m)) }

func newPeopleRotate(c *settings) *cobra.Command {
	var drop bool
	cmd := &cobra.Command{
		Use: "rotate-key", Short: "Seal every identity with a new key 轮换密钥", Args: cobra.NoArgs,
		Long: "生成新密钥，用它重新加密全部身份；旧密钥仍在文件中。中断后再运行一次即可继续。一小时后用 --drop-old 移除不再使用的旧密钥，\n" +
			"旧备份中的密文从此无法读出。散列密钥不变。运行中的服务自动使用新密钥。\n" +
			"Makes a new key and seals every identity with it; the old keys stay in the file. After an interruption, run it again:\n" +
			"it goes on. After an hour, --drop-old takes away the old keys that seal nothing any more; then what old backups hold\n" +
			"cannot be read either. The key for hashes stays. Running processes take the new key up by themselves.",
		Example: "  jishi people rotate-key\n  jishi people rotate-key --drop-old",
	}
	cmd.Flags().BoolVar(&drop, "drop-old", false, "make no key, and take away the old keys that seal nothing 移除不再使用的旧密钥")
	cmd.RunE = peopleCommand(c, func(cmd *cobra.Command, o *office, _ []string) error {
		vault, err := openVault(cmd.Context(), o, false)
		if err != nil {
			return err
		}
		if drop {
			return dropOldKeys(cmd, o, vault)
		}
		return rotateKey(cmd, o, vault)
	})
	return cmd
}

func rotateKey(cmd *cobra.Command, o *office, vault *identity.Vault) error {
	ctx, w := cmd.Context(), cmd.OutOrStdout()
	waiting, err := underOldKeys(ctx, o, vault)
	if err != nil {
		return err
	}
	switch {
	case waiting > 0:
		_, err = fmt.Fprintf(w, "上次轮换未完成，继续 going on with what was begun: %d 人 identities\n", waiting)
	case o.keyPath() == "":
		err = errors.New("密钥来自设置 identity.keyring：请先在其中加入新密钥（在文件副本上运行本命令可生成），再运行本命令重新加密 / " +
			"the keys are given by the setting identity.keyring: add a new one there (this command makes one in a copy of them in a file), then run this to seal with it")
	default:
		err = addKey(ctx, w, o)
	}
	if err != nil {
		return err
	}
	return reseal(cmd, o, vault)
}

// underOldKeys counts the identities that the newest key did not seal.
func underOldKeys(ctx context.Context, o *office, vault *identity.Vault) (int, error) {
	ring, err := vault.Keys()
	if err != nil {
		return 0, err
	}
	used, err := o.ledger.IdentityKeys(ctx)
	n := 0
	for id, count := range used {
		if id != ring.Newest().ID {
			n += count
		}
	}
	return n, err
}

func addKey(ctx context.Context, w io.Writer, o *office) error {
	if err := o.audit.Record(ctx, identity.Entry{Who: atCommandLine(), Action: identity.ActionKeys, Reason: "rotate-key", Detail: "a key is added"}); err != nil {
		return err
	}
	ring, err := identity.UpdateKeys(o.keyPath(), func(k *identity.Keyring) (*identity.Keyring, error) { return k.Rotated(o.now().UnixMilli()) })
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "✓ 新密钥 new key: %s；请备份 back up %s\n", ring.Newest().ID, printable(o.keyPath()))
	return err
}

func reseal(cmd *cobra.Command, o *office, vault *identity.Vault) error {
	desk, err := o.desk(vault)
	if err != nil {
		return err
	}
	done, err := desk.Reseal(cmd.Context(), atCommandLine(), "rotate-key")
	if err != nil {
		return fmt.Errorf("已重新加密 %d 人，再运行一次即可继续 / %d done, run it again to go on: %w", done, done, err)
	}
	if _, err := fmt.Fprintf(cmd.OutOrStdout(), "✓ 已重新加密 sealed again: %d 人 identities\n", done); err != nil {
		return err
	}
	return o.ledger.ForgetLog(cmd.Context())
}

func dropOldKeys(cmd *cobra.Command, o *office, vault *identity.Vault) error {
	if o.keyPath() == "" {
		return errors.New("密钥来自设置 identity.keyring：请在其中删去旧密钥 / the keys are given by the setting identity.keyring: take the old ones out there")
	}
	if err := reseal(cmd, o, vault); err != nil {
		return err
	}
	used, err := o.ledger.IdentityKeys(cmd.Context())
	if err != nil {
		return err
	}
	if err := o.audit.Record(cmd.Context(), identity.Entry{Who: atCommandLine(), Action: identity.ActionKeys, Reason: "rotate-key --drop-old", Detail: "old keys are to be dropped"}); err != nil {
		return err
	}
	var dropped []string
	_, err = identity.UpdateKeys(o.keyPath(), func(k *identity.Keyring) (*identity.Keyring, error) {
		if dropped, err = droppable(k, used, o.now()); err != nil {
			return nil, err
		}
		return k.Without(dropped...)
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "✓ 已移除旧密钥 old keys dropped: %s\n", orDash(strings.Join(dropped, ", ")))
	return err
}

// droppable are the keys that seal nothing and will not again.
func droppable(k *identity.Keyring, used map[string]int, now time.Time) ([]string, error) {
	if age := now.Sub(time.UnixMilli(k.Newest().MadeMs)); age < dropAfter && len(k.Keys()) > 1 {
		return nil, fmt.Errorf("最新密钥生成不足 %v，仍可能有进程在用旧密钥，请稍后再试 / the newest key is %v old, a process may still seal with an older one: try again after %v",
			dropAfter, age.Round(time.Second), dropAfter)
	}
	var out []string
	for _, key := range k.Keys() {
		switch {
		case key == k.Newest():
		case used[key.ID] > 0:
			return nil, fmt.Errorf("密钥 %s 仍在使用 / key %s still seals %d identities", key.ID, key.ID, used[key.ID])
		default:
			out = append(out, key.ID)
		}
	}
	return out, nil
}
