package access

import (
	"maps"
	"slices"
	"strings"
)

// Role is what a person is to the service.
type Role string

// The roles, in the order of the table's columns.
const (
	Technician    Role = "technician"     // 设备管理员 of a base
	BaseAdmin     Role = "base-admin"     // 基地管理员
	Evaluator     Role = "evaluator"      // 评估员 of some bases, or of all
	Officer       Role = "officer"        // 市级管理员
	SystemAdmin   Role = "system-admin"   // 系统管理员
	SecurityAdmin Role = "security-admin" // 安全管理员
	AuditAdmin    Role = "audit-admin"    // 审计管理员
)

// Permission is what may be done. Each operation of the API declares one.
type Permission string

// The permissions that roles give.
const (
	ViewLive          Permission = "live.view"
	ViewFigures       Permission = "figures.view"
	ViewPeople        Permission = "people.view"
	Unmask            Permission = "people.unmask"
	Import            Permission = "registry.import"
	RequestCorrection Permission = "correction.request"
	ApproveCorrection Permission = "correction.approve"
	SettlePeriod      Permission = "period.settle"
	AnswerClue        Permission = "clue.answer"
	ReviewClue        Permission = "clue.review"
	Export            Permission = "export"
	ViewAccounts      Permission = "accounts.view"
	ManageAccounts    Permission = "accounts.manage"
	ManageSecurity    Permission = "security.manage"
	ReadAudit         Permission = "audit.read"
)

// The permissions that need no role.
const (
	// Public needs nobody: logging in.
	Public Permission = "public"
	// Self needs an account and concerns nobody else: one's own name, password and tokens.
	Self Permission = "self"
)

// Reach is how far a role may be granted.
type Reach uint8

// The reaches.
const (
	ReachBase   Reach = iota // one base or several, named one by one
	ReachEither              // some bases, or the whole city
	ReachCity                // the whole city only
)

// RoleInfo describes a role to people.
type RoleInfo struct {
	Role   Role
	Zh, En string
	Reach  Reach
}

// Roles lists the roles in the order of the table's columns.
func Roles() []RoleInfo {
	return []RoleInfo{
		{Technician, "设备管理员", "technician", ReachBase},
		{BaseAdmin, "基地管理员", "base administrator", ReachBase},
		{Evaluator, "评估员", "evaluator", ReachEither},
		{Officer, "市级管理员", "city officer", ReachCity},
		{SystemAdmin, "系统管理员", "system administrator", ReachCity},
		{SecurityAdmin, "安全管理员", "security administrator", ReachCity},
		{AuditAdmin, "审计管理员", "audit administrator", ReachCity},
	}
}

// PermissionInfo describes a permission, and says who has it.
type PermissionInfo struct {
	marks      string // one per role, x or a dot
	Permission Permission
	Zh, En     string
}

// table says which role gives which permission; what it does not say is refused. The three administrators (三员) see no
// person and no figure, and each lacks what would let it do another's work alone: who makes accounts gives no roles, who
// gives roles makes no accounts, and both are watched by one who can do neither.
var table = []PermissionInfo{
	// technician base-admin evaluator officer system security audit
	{"    x          x          x        x       x       .      .", ViewLive, "查看实时状态与设备", "live states, equipment and devices"},
	{"    x          x          x        x       .       .      .", ViewFigures, "查看使用情况", "figures of use"},
	{"    .          x          x        x       .       .      .", ViewPeople, "查看人员（脱敏）与学时", "people, masked, and their hours"},
	{"    .          x          x        x       .       .      .", Unmask, "查看完整身份（须说明理由）", "identities in full, with a reason"},
	{"    .          x          .        x       .       .      .", Import, "导入登记数据", "importing reference data"},
	{"    x          x          .        .       .       .      .", RequestCorrection, "申请更正", "asking for a correction"},
	{"    .          x          .        x       .       .      .", ApproveCorrection, "审批更正（不得审批本人申请）", "approving another's correction"},
	{"    .          .          .        x       .       .      .", SettlePeriod, "结算与封存期间", "settling and sealing a period"},
	{"    .          x          .        .       .       .      .", AnswerClue, "说明疑点", "answering a clue"},
	{"    .          .          x        x       .       .      .", ReviewClue, "核查疑点", "reviewing clues"},
	{"    .          x          x        x       .       .      .", Export, "导出", "exporting"},
	{"    .          .          .        .       x       x      x", ViewAccounts, "查看账号", "the list of accounts"},
	{"    .          .          .        .       x       .      .", ManageAccounts, "新增、停用账号，重置口令", "making and disabling accounts, resetting passwords"},
	{"    .          .          .        .       .       x      .", ManageSecurity, "授予角色", "granting roles"},
	{"    .          .          .        .       .       .      x", ReadAudit, "查看审计日志", "the audit log"},
}

//go:generate go test . -run TestManualHasTheRoles -update-manual

// Permissions lists what roles give, in the order of the table.
func Permissions() []PermissionInfo { return slices.Clone(table) }

// Has reports whether the role gives the permission.
func (r Role) Has(p Permission) bool { return holders[p][r] }

// holders is the table by permission.
var holders = read(table)

func read(table []PermissionInfo) map[Permission]map[Role]bool {
	out := make(map[Permission]map[Role]bool, len(table))
	for _, row := range table {
		marks, roles := strings.Fields(row.marks), Roles()
		if len(marks) != len(roles) || out[row.Permission] != nil {
			panic("access: bad row of " + string(row.Permission)) // the table is part of the program
		}
		out[row.Permission] = make(map[Role]bool)
		for i, r := range roles {
			out[row.Permission][r.Role] = marks[i] == "x"
		}
	}
	return out
}

// Known reports whether an operation may declare the permission.
func (p Permission) Known() bool { return p == Public || p == Self || holders[p] != nil }

// City is the scope of a grant that holds for every base, now and later, and for what belongs to none.
const City = "*"

// Grant gives a role at a base, or in the whole City.
type Grant struct {
	Role Role   `json:"role"`
	Base string `json:"base"`
}

// maxGrants bounds what one account or token holds; who needs more has the whole city.
const maxGrants = 200

// checkGrants returns the grants in order and once each, or says what is wrong with them.
func checkGrants(grants []Grant) ([]Grant, error) {
	if len(grants) > maxGrants {
		return nil, Problem{"roles", "角色过多，最多 200 项", "too many roles, want at most 200"}
	}
	once, held := make(map[Grant]bool), make(map[Role]bool)
	for _, g := range grants {
		if err := g.check(); err != nil {
			return nil, err
		}
		once[g], held[g.Role] = true, true
	}
	for _, admin := range []Role{SystemAdmin, SecurityAdmin, AuditAdmin} {
		if held[admin] && len(held) > 1 {
			return nil, Problem{"roles", "三员分立：" + admin.info().Zh + "不能兼任其他角色", string(admin) + " is held alone: the three administrators are three people"}
		}
	}
	return slices.SortedFunc(maps.Keys(once), compareGrants), nil
}

func compareGrants(a, b Grant) int {
	if c := strings.Compare(string(a.Role), string(b.Role)); c != 0 {
		return c
	}
	return strings.Compare(a.Base, b.Base)
}

func (r Role) info() RoleInfo {
	for _, i := range Roles() {
		if i.Role == r {
			return i
		}
	}
	return RoleInfo{Role: r}
}

func (g Grant) check() error {
	info := g.Role.info()
	switch {
	case info.Zh == "":
		return Problem{"roles", "没有此角色 " + clip(string(g.Role), maxName), "no such role; want one of " + strings.Join(roleNames(), ", ")}
	case g.Base == "":
		return Problem{"roles", info.Zh + "须指明基地编码，* 为全市", string(g.Role) + " needs the code of a base, or * for the city"}
	case info.Reach == ReachBase && g.Base == City:
		return Problem{"roles", info.Zh + "须逐一指明基地，不能为全市", string(g.Role) + " is granted base by base, not for the city"}
	case info.Reach == ReachCity && g.Base != City:
		return Problem{"roles", info.Zh + "只能为全市 (*)", string(g.Role) + " is granted for the city (*) only"}
	case !plain(g.Base, maxName):
		return Problem{"roles", "基地编码无效", "want the code of a base, at most 64 bytes of text"}
	}
	return nil
}

func roleNames() []string {
	var out []string
	for _, r := range Roles() {
		out = append(out, string(r.Role))
	}
	return out
}

// covers reports whether the grants hold at least g.
func covers(grants []Grant, g Grant) bool {
	return slices.ContainsFunc(grants, func(x Grant) bool { return x.Role == g.Role && (x.Base == City || x.Base == g.Base) })
}
