package clue

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
)

// Unit is one thing that an audit may draw: a class's claimed hours.
type Unit struct {
	ID string
	// HalfUnits is what the base claims for it, in half units (学时), more than 0.
	HalfUnits int64
}

// Draw is one drawn unit.
type Draw struct {
	Unit
	// Certain says that it is so large that it is drawn whatever the seed; it then stands for itself alone.
	Certain bool
}

// ErrSample says that a sample cannot be drawn or an estimate not be made.
var ErrSample = errors.New("audit sample (抽样核查)")

// maxHalfUnits bounds one unit and the total, so that everything below is exact in 64 bits.
const maxHalfUnits = 1 << 40

// Sample draws n units with probability in proportion to what they claim, without replacement, from a published seed. The
// algorithm (docs/clues.md) is in whole numbers, so that anybody can recompute it:
//
//  1. Certain: while a unit claims at least the n-th part of what is left, it is drawn, and n goes down by one.
//  2. Order: the rest is put in order of SHA-256("jishi audit v1\norder\n" seed "\n" id), as bytes.
//  3. Start: r is SHA-256("jishi audit v1\nstart\n" seed) as a big-endian number modulo T, the claims of the rest.
//  4. Draw: with the claims laid end to end in that order, the units in which the points (r + k·T) ÷ n fall, k from 0 to n-1.
//
// The result is in order of id. n beyond the number of units draws them all. The error is ErrSample.
func Sample(seed string, units []Unit, n int) ([]Draw, error) {
	if err := checkUnits(seed, units, n); err != nil {
		return nil, err
	}
	rest := slices.Clone(units)
	slices.SortFunc(rest, func(a, b Unit) int {
		return cmp.Or(cmp.Compare(b.HalfUnits, a.HalfUnits), cmp.Compare(a.ID, b.ID))
	})
	var out []Draw
	total := int64(0)
	for _, u := range rest {
		total += u.HalfUnits
	}
	for n > 0 && len(rest) > 0 && rest[0].HalfUnits >= (total+int64(n)-1)/int64(n) {
		out = append(out, Draw{rest[0], true})
		total -= rest[0].HalfUnits
		rest, n = rest[1:], n-1
	}
	if n > 0 && len(rest) > 0 {
		out = append(out, systematic(seed, rest, int64(n), total)...)
	}
	slices.SortFunc(out, func(a, b Draw) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

func checkUnits(seed string, units []Unit, n int) error {
	var errs []error
	if seed == "" {
		errs = append(errs, fmt.Errorf("%w: 缺少种子 / the seed is empty", ErrSample))
	}
	if n < 0 {
		errs = append(errs, fmt.Errorf("%w: 样本量 %d 为负 / the size %d is negative", ErrSample, n, n))
	}
	seen := map[string]bool{}
	total := int64(0)
	for i, u := range units {
		if u.HalfUnits <= 0 || u.HalfUnits > maxHalfUnits {
			errs = append(errs, fmt.Errorf("%w: 第 %d 项 %q 的申报量 %d 不在 1 到 %d 之间 / item %d claims %d half units: want 1 to %d",
				ErrSample, i+1, u.ID, u.HalfUnits, int64(maxHalfUnits), i+1, u.HalfUnits, int64(maxHalfUnits)))
			continue
		}
		if seen[u.ID] {
			errs = append(errs, fmt.Errorf("%w: %q 出现两次 / %q is there twice", ErrSample, u.ID, u.ID))
		}
		seen[u.ID] = true
		total = min(total+u.HalfUnits, maxHalfUnits+1)
	}
	if total > maxHalfUnits {
		errs = append(errs, fmt.Errorf("%w: 申报总量超过 %d / the claims sum up to more than %d", ErrSample, int64(maxHalfUnits), int64(maxHalfUnits)))
	}
	return errors.Join(errs...)
}

// systematic draws n units from the rest, none of which claims the n-th part of the total: steps 2 to 4.
func systematic(seed string, rest []Unit, n, total int64) []Draw {
	order := make([][sha256.Size]byte, len(rest))
	at := make([]int, len(rest))
	for i, u := range rest {
		order[i] = sha256.Sum256([]byte("jishi audit v1\norder\n" + seed + "\n" + u.ID))
		at[i] = i
	}
	slices.SortFunc(at, func(a, b int) int {
		return cmp.Or(slices.Compare(order[a][:], order[b][:]), cmp.Compare(rest[a].ID, rest[b].ID))
	})
	start := sha256.Sum256([]byte("jishi audit v1\nstart\n" + seed))
	r := new(big.Int).Mod(new(big.Int).SetBytes(start[:]), big.NewInt(total)).Int64()
	var out []Draw
	end, k := int64(0), int64(0)
	for _, i := range at {
		end += rest[i].HalfUnits
		// The point (r + k·T) ÷ n lies below end when r + k·T < end·n.
		if k < n && less(r, k, total, end, n) {
			out = append(out, Draw{Unit: rest[i]})
			k++
		}
	}
	return out
}

// less reports r + k·total < end·n in 128 bits.
func less(r, k, total, end, n int64) bool {
	left := new(big.Int).Mul(big.NewInt(k), big.NewInt(total))
	return left.Add(left, big.NewInt(r)).Cmp(new(big.Int).Mul(big.NewInt(end), big.NewInt(n))) < 0
}

// Checked is a drawn unit with what the audit found.
type Checked struct {
	Draw
	// FoundHalfUnits is what was truly held, 0 or more.
	FoundHalfUnits float64
}

// Estimate is what a sample says of everything that was claimed.
type Estimate struct {
	// Ratio is the part of the claims that was truly held. Low and High are its interval at 95 %; with fewer than two units
	// drawn by chance there is none, and Known is false unless all were certain.
	Ratio, Low, High float64
	Known            bool
	// HalfUnits is Ratio × the claims.
	HalfUnits float64
	Drawn     int
}

// Estimate95 estimates how much of totalHalfUnits, all claims that the sample was drawn from, was truly held. Certain units
// stand for themselves; as the others were drawn in proportion to their claims, the mean of their ratios found ÷ claimed is
// the ratio of the rest (Hansen and Hurwitz 1943), and their spread gives the interval with Student's t. It is taken as if
// drawn with replacement, which makes it a little wide. The error is ErrSample.
func Estimate95(totalHalfUnits int64, list []Checked) (Estimate, error) {
	var certain, held float64
	var ratios []float64
	for _, c := range list {
		if c.HalfUnits <= 0 || c.FoundHalfUnits < 0 || math.IsNaN(c.FoundHalfUnits) || math.IsInf(c.FoundHalfUnits, 0) {
			return Estimate{}, fmt.Errorf("%w: %q 的数值无效 / the figures of %q are not valid", ErrSample, c.ID, c.ID)
		}
		if c.Certain {
			certain += float64(c.HalfUnits)
			held += c.FoundHalfUnits
			continue
		}
		ratios = append(ratios, c.FoundHalfUnits/float64(c.HalfUnits))
	}
	rest := float64(totalHalfUnits) - certain
	if totalHalfUnits <= 0 || rest < 0 || rest == 0 && len(ratios) > 0 {
		return Estimate{}, fmt.Errorf("%w: 申报总量 %d 小于所抽各项 / the total of %d is less than what was drawn", ErrSample, totalHalfUnits, totalHalfUnits)
	}
	e := Estimate{Drawn: len(list), Known: rest == 0}
	mean, half := spread(ratios)
	if n := len(ratios); rest > 0 && n == 0 {
		return Estimate{}, fmt.Errorf("%w: 没有随机抽中的项 / nothing was drawn by chance", ErrSample)
	} else if n > 1 {
		e.Known = true
	}
	total := float64(totalHalfUnits)
	e.Ratio = (held + mean*rest) / total
	e.Low, e.High = max(e.Ratio-half*rest/total, 0), e.Ratio+half*rest/total
	e.HalfUnits = e.Ratio * total
	return e, nil
}

// spread is the mean of some ratios and half the width of its interval at 95 %.
func spread(ratios []float64) (mean, half float64) {
	n := float64(len(ratios))
	if n == 0 {
		return 0, 0
	}
	for _, r := range ratios {
		mean += r / n
	}
	if n < 2 {
		return mean, 0
	}
	var squares float64
	for _, r := range ratios {
		squares += (r - mean) * (r - mean)
	}
	return mean, student(len(ratios)-1) * math.Sqrt(squares/(n-1)/n)
}

// student is the two-sided 95 % point of Student's t; beyond the table it is that of the largest smaller entry, which is on
// the safe side.
func student(freedom int) float64 {
	table := []float64{
		12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110,
		2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
	}
	if freedom <= len(table) {
		return table[freedom-1]
	}
	switch {
	case freedom >= 120:
		return 1.980
	case freedom >= 60:
		return 2.000
	case freedom >= 40:
		return 2.021
	}
	return table[len(table)-1]
}
