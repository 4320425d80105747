package workbook

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/jishi-telemetry/jishi/internal/identity"
	"github.com/jishi-telemetry/jishi/internal/registry"
	"github.com/jishi-telemetry/jishi/internal/span"
)

// personRow is a person and who that is.
type personRow struct {
	registry.Person
	who identity.Record
}

func rowsOfPersons(base string, persons []registry.Person, identities []Identity) []personRow {
	byID := map[string]identity.Record{}
	for _, i := range identities {
		if i.Base == base {
			byID[i.Person] = i.Record
		}
	}
	out := make([]personRow, len(persons))
	for i, p := range persons {
		out[i] = personRow{p, byID[p.ID]}
	}
	return out
}

var teacherTable = &table[personRow]{
	what:   info{Zh: "教师", En: "teachers", also: []string{"教师名册", "teacher"}, noteZh: "教师", noteEn: "teachers"},
	store:  func(d *draft) *store[personRow] { return d.persons },
	key:    func(p *personRow) string { return p.ID },
	fresh:  func() personRow { return personRow{Person: registry.Person{Teacher: true}} },
	owns:   func(p *personRow) bool { return p.Teacher },
	finish: func(r *row, p, before *personRow) { finishPerson(r, p, before, true) },
	fields: []field[personRow]{
		personField().like("T001"), whoField().like("李四"), idNumberField().like("500103199003071239"), phoneField().like("13800001234"),
	},
}

var traineeTable = &table[personRow]{
	what:   info{Zh: "学员", En: "trainees", also: []string{"参训人员", "参训人员花名册", "学员名册", "花名册", "trainee"}, noteZh: "学员", noteEn: "trainees"},
	store:  func(d *draft) *store[personRow] { return d.persons },
	key:    func(p *personRow) string { return p.ID },
	owns:   func(p *personRow) bool { return !p.Teacher },
	finish: func(r *row, p, before *personRow) { finishPerson(r, p, before, false) },
	fields: []field[personRow]{
		personField().like("S001"), whoField().like("张三"), idNumberField().like("11010519491231002X"), phoneField().like("13900001234"),
		{
			column: column{key: "category", zh: "人员类别", en: "category", example: "退役军人", noteZh: "见填写说明"},
			get:    func(p *personRow) string { return p.Category },
			set: func(c cell, p *personRow) {
				p.Category = c.name()
				if known := c.r.im.o.Categories; p.Category != "" && !slices.Contains(known, p.Category) {
					zh, en := suggest(p.Category, known, "人员类别可用："+joinZh(known), "want one of "+joinEn(known))
					c.bad(zh, en)
				}
			},
		},
	},
}

func personField() field[personRow] {
	return codeField("id", "人员编号", "id", func(p *personRow) *string { return &p.ID }).keyed().required().or("学员编号", "教师编号", "编号", "学号", "工号", "AAC001", "person").note("基地自编，不用身份证号")
}

func whoField() field[personRow] {
	f := nameField("name", "姓名", "name", func(p *personRow) *string { return &p.who.Name }).required().or("AAC003").masked(identity.MaskName)
	f.set = func(c cell, p *personRow) {
		name := c.name()
		switch {
		case strings.Contains(name, "*"):
			c.keepMasked(p.who.Name)
		case len(name) > 200 || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
			c.bad("应为至多 200 字节的可见字符", "want at most 200 bytes of visible characters")
		default:
			p.who.Name = name
		}
	}
	return f
}

func idNumberField() field[personRow] {
	f := codeField("id_number", "身份证号", "id_number", func(p *personRow) *string { return &p.who.IDNumber }).or("公民身份号码", "身份证号码", "AAC002").masked(identity.MaskID).note("18 位，整列设为文本格式")
	f.set = func(c cell, p *personRow) {
		number := strings.ToUpper(c.code())
		if c.isBad() {
			return
		}
		if strings.Contains(number, "*") {
			c.keepMasked(p.who.IDNumber)
			return
		}
		if number != p.who.IDNumber {
			p.Identity = ""
		}
		if p.who.IDNumber = number; number == "" {
			p.Identity = ""
			return
		}
		if fault := identity.CheckIDNumber(number); fault != nil && len(number) == 18 && strings.HasSuffix(number, lostDigits) {
			c.bad(floatedZh, floatedEn)
		} else if fault != nil {
			c.bad(fault.Zh, fault.En)
		} else if c.r.im.o.Identity != nil {
			p.Identity = c.r.im.o.Identity(number)
		}
	}
	return f
}

// lostDigits end an ID number that a program has taken for a number: 15 of its digits were kept.
const lostDigits = "000"

func phoneField() field[personRow] {
	f := codeField("phone", "手机", "phone", func(p *personRow) *string { return &p.who.Phone }).or("手机号", "手机号码", "联系电话", "电话").masked(identity.MaskPhone)
	f.set = func(c cell, p *personRow) {
		phone := strings.NewReplacer("-", "", " ", "").Replace(c.code())
		if c.isBad() {
			return
		}
		if strings.Contains(phone, "*") {
			c.keepMasked(p.who.Phone)
			return
		}
		p.who.Phone = strings.TrimPrefix(phone, "+86")
		if fault := identity.CheckPhone(p.who.Phone); p.who.Phone != "" && fault != nil {
			c.bad(fault.Zh, fault.En)
		}
	}
	return f
}

// keepMasked leaves a personal field as it is when the cell has its mask, as an export has; another mask says nothing.
func (c cell) keepMasked(known string) {
	if c.head.mask(known) != c.text {
		c.bad("是脱敏后的值，请填原值或删去此列", "is masked: want the value itself, or no such column")
	}
}

func finishPerson(r *row, p, before *personRow, teacher bool) {
	p.Teacher = teacher
	if before != nil && before.Teacher != teacher {
		zh, en := "已登记为学员，一个编号只能是学员或教师", "is registered as a trainee, an id is either a trainee's or a teacher's"
		if !teacher {
			zh, en = "已登记为教师，一个编号只能是学员或教师", "is registered as a teacher, an id is either a trainee's or a teacher's"
		}
		r.cell("id").bad(zh, en)
	}
}

// cardNumber is what a card's number looks like, in any notation; which it is, the caller of Import knows.
var cardNumber = regexp.MustCompile(`^(0[xX])?[0-9A-Fa-f]{1,2}([0-9A-Fa-f:, -]{0,28}[0-9A-Fa-f])?$`)

var cardTable = &table[registry.Card]{
	what:   info{Zh: "卡", En: "cards", also: []string{"实训卡", "门禁卡", "card"}, noteZh: "卡号与卡令牌恰填一个；换卡时旧卡写截止、新卡写起始", noteEn: "a card's number or its token, and whose it is when"},
	series: true,
	store:  func(d *draft) *store[registry.Card] { return d.cards },
	key: func(c *registry.Card) string {
		if c.Token == "" {
			return ""
		}
		return joinKey(c.Token, strconv.FormatInt(c.Valid.StartMs, 10))
	},
	fresh: func() registry.Card { return registry.Card{Valid: registry.Always()} },
	fields: []field[registry.Card]{
		{
			column: column{key: "number", zh: "卡号", en: "number", also: []string{"卡面号", "卡片号", "UID"}, inKey: true, mask: maskCard, noteZh: "十六进制或十进制，整列设为文本格式", example: "04A1B2C3"},
			get:    func(*registry.Card) string { return "" },
			set: func(c cell, card *registry.Card) {
				if c.filled() {
					card.Token = c.cardToken()
				}
			},
		},
		{
			column: column{key: "token", zh: "卡令牌", en: "token", inKey: true, noteZh: "读卡记录里的令牌，与卡号恰填一个"},
			get:    func(card *registry.Card) string { return card.Token },
			set: func(c cell, card *registry.Card) {
				if !c.filled() {
					return
				}
				if number := c.r.cell("number"); number.filled() {
					c.bad("卡号与卡令牌应恰填一个", "want exactly one of 卡号 (number) and 卡令牌 (token)")
					return
				}
				card.Token = c.code()
			},
		},
		codeField("person", "人员编号", "person", func(c *registry.Card) *string { return &c.Person }).required().or("学员编号", "持卡人", "AAC001").like("S001"),
		fromField("起始时间", "from", func(c *registry.Card) *span.Span { return &c.Valid }).keyed().or("起始日期", "发卡日期").like("2026-03-01"),
		toField("截止时间", "to", func(c *registry.Card) *span.Span { return &c.Valid }).or("截止日期", "注销日期"),
	},
	finish: nil,
}

// cardToken reads a card's number and returns its token, "" after reporting why there is none.
func (c cell) cardToken() string {
	number := c.code()
	switch {
	case c.isBad():
		return ""
	case !cardNumber.MatchString(number):
		c.bad("应为卡号：十六进制（如 04A1B2C3）或十进制数字", "want a card's number, hexadecimal like 04A1B2C3 or decimal")
		return ""
	case c.r.im.o.CardToken == nil:
		c.bad("这里不能由卡号换算令牌，请改填卡令牌", "card numbers cannot be turned into tokens here, use the token")
		return ""
	}
	d := c.r.im.rowBase(c.r)
	if d == nil {
		return ""
	}
	token, err := c.r.im.o.CardToken(d.code, number)
	if err != nil {
		c.bad("不是可用的卡号，请核对位数和进制", "is no card's number: "+err.Error())
	}
	return token
}

// maskCard shows the end of a card's number: with all of it a card could be copied.
func maskCard(s string) string {
	const shown = 4
	if len(s) <= 2*shown {
		return strings.Repeat("*", len(s))
	}
	return "****" + s[len(s)-shown:]
}
