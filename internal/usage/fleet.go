package usage

import (
	"math/big"
)

// ScoredValueFen is the asset value from which equipment counts in the scored mean: 10,000 yuan [P]. The ministry's own
// floor is 100,000 yuan [MOE].
const ScoredValueFen = 10_000 * 100

// Member is one machine's rate in a fleet.
type Member struct {
	Equipment string
	// ValueFen is the asset value (原值) in 1/100 yuan, 0 when it is not known.
	ValueFen int64
	Rate     Rate
}

// Fleet is one rate over many machines. Its means are of what is known: a machine whose rate is withheld is in none of
// them and in Withheld.
type Fleet struct {
	// Mean is 台均: every machine counts the same. nil when no machine has the rate.
	Mean *float64
	// ByValue is 原值加权: machines count by their asset value; one of unknown value does not count. nil when none has one.
	ByValue *float64
	// Scored is 台均 of the machines worth ScoredValueFen and more, the one that an evaluation takes by default [P].
	Scored *float64
	// Counted is how many machines Mean is of, CountedByValue how many ByValue, CountedScored how many Scored.
	Counted, CountedByValue, CountedScored int
	// Short are the machines with too little data (数据不足), left out of the means, in the order given.
	Short []string
	// Withheld are the machines whose rate is withheld for another reason, in the order given.
	Withheld []Withheld
}

// Withheld is a machine without the rate, and why.
type Withheld struct {
	Equipment string
	Why       Why
}

// NewFleet takes the means of the members' rates, exactly until each mean's one division.
func NewFleet(members []Member) Fleet {
	var f Fleet
	var all, scored, byValue mean
	for i := range members {
		m := &members[i]
		value := m.Rate.Exact()
		switch {
		case value != nil:
		case m.Rate.Why == WhyLowCoverage:
			f.Short = append(f.Short, m.Equipment)
			continue
		default:
			f.Withheld = append(f.Withheld, Withheld{m.Equipment, m.Rate.Why})
			continue
		}
		all.add(value, 1)
		byValue.add(value, m.ValueFen)
		if m.ValueFen >= ScoredValueFen {
			scored.add(value, 1)
		}
	}
	f.Mean, f.Counted = all.value(), all.n
	f.ByValue, f.CountedByValue = byValue.value(), byValue.n
	f.Scored, f.CountedScored = scored.value(), scored.n
	return f
}

// mean is a weighted mean of exact numbers.
type mean struct {
	sum, weight big.Rat
	n           int
}

func (m *mean) add(value *big.Rat, weight int64) {
	if weight <= 0 {
		return
	}
	w := big.NewRat(weight, 1)
	m.sum.Add(&m.sum, new(big.Rat).Mul(value, w))
	m.weight.Add(&m.weight, w)
	m.n++
}

func (m *mean) value() *float64 {
	if m.n == 0 {
		return nil
	}
	v, _ := new(big.Rat).Quo(&m.sum, &m.weight).Float64()
	return &v
}
