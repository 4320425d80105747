package clue

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// State is where a clue stands in its review (疑点线索的办理状态):
//
//	系统产生 raised → 分派 assigned → 核查 investigated → {排除 excluded | 属实 confirmed}
//	属实 confirmed → 学时剔除 removed → {补贴追回 recovered | 移送 referred}
//
// What was decided may be reopened, on an appeal or new evidence: then it is assigned anew.
type State string

// The states.
const (
	Raised       State = "raised"       // 系统产生
	Assigned     State = "assigned"     // 分派
	Investigated State = "investigated" // 核查: the investigator has written down a finding
	Excluded     State = "excluded"     // 排除
	Confirmed    State = "confirmed"    // 属实
	Removed      State = "removed"      // 学时剔除: by a correction of its own, which names this clue
	Recovered    State = "recovered"    // 补贴追回
	Referred     State = "referred"     // 移送
)

// Zh returns the state's Chinese name.
func (s State) Zh() string {
	switch s {
	case Raised:
		return "系统产生"
	case Assigned:
		return "分派"
	case Investigated:
		return "核查"
	case Excluded:
		return "排除"
	case Confirmed:
		return "属实"
	case Removed:
		return "学时剔除"
	case Recovered:
		return "补贴追回"
	case Referred:
		return "移送"
	}
	return string(s)
}

// Next lists the states that may follow, in order.
func (s State) Next() []State {
	switch s {
	case Raised:
		return []State{Assigned}
	case Assigned:
		return []State{Assigned, Investigated}
	case Investigated:
		return []State{Assigned, Excluded, Confirmed}
	case Excluded:
		return []State{Assigned}
	case Confirmed:
		return []State{Assigned, Removed, Recovered, Referred}
	case Removed:
		return []State{Recovered, Referred}
	case Recovered:
		return []State{Referred}
	case Referred:
		return nil
	}
	return nil
}

// ErrStep says that a step of a review is not allowed.
var ErrStep = errors.New("step not allowed (不允许的操作)")

// Step is one step of a review.
type Step struct {
	AtMs int64
	// By is the account of the person who takes it; never empty, for no machine decides.
	By string
	To State
	// Assignee is who shall investigate (Assigned).
	Assignee string
	// Finding is Excluded or Confirmed: what the investigator proposes (Investigated).
	Finding State
	// Reason says why, in the person's own words; it is required of every step but the first assignment.
	Reason string
	// Attachments are references to documents, such as work orders.
	Attachments []string
}

// Review is a clue's way so far: a value that Apply makes anew. The zero value is a clue that was just raised.
type Review struct{ Steps []Step }

// State returns where the clue stands.
func (r Review) State() State {
	if n := len(r.Steps); n > 0 {
		return r.Steps[n-1].To
	}
	return Raised
}

// Assignee returns who investigates, or did; "" before anybody was named.
func (r Review) Assignee() string {
	for _, s := range slices.Backward(r.Steps) {
		if s.To == Assigned {
			return s.Assignee
		}
	}
	return ""
}

// maxReason bounds a reason, in bytes.
const maxReason = 4096

// Apply returns the review with one more step, or ErrStep and why. A person who investigates does not decide, nobody
// assigns a clue to nobody, only the assignee investigates, and steps do not go back in time. It changes nothing else: what
// becomes of hours is a correction, made and approved by people.
func (r Review) Apply(s Step) (Review, error) {
	if why := r.refuse(&s); why.Zh != "" {
		return r, fmt.Errorf("%w: %s", ErrStep, why)
	}
	return Review{Steps: append(slices.Clone(r.Steps), s)}, nil
}

func (r Review) refuse(s *Step) Text {
	from := r.State()
	switch {
	case strings.TrimSpace(s.By) == "":
		return Text{"须由具名人员办理", "a named person must do it"}
	case !slices.Contains(from.Next(), s.To):
		return Text{fmt.Sprintf("“%s”之后不能是“%s”", from.Zh(), s.To.Zh()), fmt.Sprintf("%q cannot follow %q", s.To, from)}
	case len(r.Steps) > 0 && s.AtMs < r.Steps[len(r.Steps)-1].AtMs:
		return Text{"时间早于上一步", "it is earlier than the step before"}
	case len(s.Reason) > maxReason:
		return Text{fmt.Sprintf("理由超过 %d 字节", maxReason), fmt.Sprintf("the reason is longer than %d bytes", maxReason)}
	case strings.TrimSpace(s.Reason) == "" && len(r.Steps) > 0:
		return Text{"须写明理由", "a reason is required"}
	}
	return r.refuseRole(s)
}

// refuseRole holds who may do what.
func (r Review) refuseRole(s *Step) Text {
	switch s.To {
	case Assigned:
		if strings.TrimSpace(s.Assignee) == "" {
			return Text{"须指明核查人", "name who shall investigate"}
		}
	case Investigated:
		if s.By != r.Assignee() {
			return Text{"只有被分派的人可以核查", "only the assignee investigates"}
		}
		if s.Finding != Excluded && s.Finding != Confirmed {
			return Text{"核查须给出结论：排除或属实", "a finding is required: excluded or confirmed"}
		}
	case Excluded, Confirmed:
		if s.By == r.Assignee() {
			return Text{"核查人不得自行定论（经办与复核分离）", "who investigated does not decide (maker is never checker)"}
		}
	case Raised, Removed, Recovered, Referred:
	}
	return Text{}
}

// Outcome is one clue for the precision of its rule.
type Outcome struct {
	Rule    ID
	Version int
	State   State
}

// Precision is how often a rule was right, by what people decided.
type Precision struct {
	Rule    ID
	Version int
	// Confirmed and Excluded are decided; Open are not.
	Confirmed, Excluded, Open int
	// Value is Confirmed ÷ (Confirmed + Excluded), nil before anything was decided. Low and High are its Wilson interval at
	// 95 %, 0 and 1 without any.
	Value     *float64
	Low, High float64
}

// Precisions sums up reviewed clues by rule and version, in that order.
func Precisions(list []Outcome) []Precision {
	var out []Precision
	for _, o := range list {
		i := slices.IndexFunc(out, func(p Precision) bool { return p.Rule == o.Rule && p.Version == o.Version })
		if i < 0 {
			i = len(out)
			out = append(out, Precision{Rule: o.Rule, Version: o.Version})
		}
		switch o.State {
		case Confirmed, Removed, Recovered, Referred:
			out[i].Confirmed++
		case Excluded:
			out[i].Excluded++
		default:
			out[i].Open++
		}
	}
	for i := range out {
		out[i].sum()
	}
	slices.SortFunc(out, func(a, b Precision) int {
		return compareRules(a.Rule, a.Version, b.Rule, b.Version)
	})
	return out
}

// compareRules puts F2 before F11.
func compareRules(a ID, va int, b ID, vb int) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	if a != b {
		return strings.Compare(string(a), string(b))
	}
	return va - vb
}

func (p *Precision) sum() {
	n := float64(p.Confirmed + p.Excluded)
	p.Low, p.High = 0, 1
	if n == 0 {
		return
	}
	share := float64(p.Confirmed) / n
	p.Value = &share
	const z = 1.959964
	middle := (share + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(share*(1-share)/n+z*z/(4*n*n))
	p.Low, p.High = max(middle-half, 0), min(middle+half, 1)
}
