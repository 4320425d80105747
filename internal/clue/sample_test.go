package clue_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"slices"
	"sort"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jishi-telemetry/jishi/internal/clue"
)

// recompute draws the sample as docs/clues.md says it, with rational numbers and nothing of the package's code.
func recompute(seed string, units []clue.Unit, n int) []string {
	rest := slices.Clone(units)
	var out []string
	sum := func() *big.Rat {
		t := new(big.Rat)
		for _, u := range rest {
			t.Add(t, big.NewRat(u.HalfUnits, 1))
		}
		return t
	}
	for n > 0 && len(rest) > 0 {
		sort.Slice(rest, func(i, j int) bool {
			if rest[i].HalfUnits != rest[j].HalfUnits {
				return rest[i].HalfUnits > rest[j].HalfUnits
			}
			return rest[i].ID < rest[j].ID
		})
		if new(big.Rat).Mul(big.NewRat(rest[0].HalfUnits, 1), big.NewRat(int64(n), 1)).Cmp(sum()) < 0 {
			break
		}
		out = append(out, rest[0].ID)
		rest, n = rest[1:], n-1
	}
	if n > 0 && len(rest) > 0 {
		total := sum()
		sort.Slice(rest, func(i, j int) bool {
			a := sha256.Sum256([]byte("jishi audit v1\norder\n" + seed + "\n" + rest[i].ID))
			b := sha256.Sum256([]byte("jishi audit v1\norder\n" + seed + "\n" + rest[j].ID))
			return string(a[:]) < string(b[:])
		})
		h := sha256.Sum256([]byte("jishi audit v1\nstart\n" + seed))
		r := new(big.Int).Mod(new(big.Int).SetBytes(h[:]), total.Num())
		for k := range n {
			point := new(big.Rat).SetInt(r)
			point.Add(point, new(big.Rat).Mul(big.NewRat(int64(k), 1), total)).Quo(point, big.NewRat(int64(n), 1))
			end := new(big.Rat)
			for _, u := range rest {
				if end.Add(end, big.NewRat(u.HalfUnits, 1)); point.Cmp(end) < 0 {
					out = append(out, u.ID)
					break
				}
			}
		}
	}
	sort.Strings(out)
	return out
}

func ids(draws []clue.Draw) []string {
	var out []string
	for _, d := range draws {
		out = append(out, d.ID)
	}
	return out
}

func TestSampleCanBeRecomputed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var units []clue.Unit
		for i := range rapid.IntRange(0, 30).Draw(t, "units") {
			units = append(units, clue.Unit{ID: fmt.Sprintf("class-%02d", i), HalfUnits: rapid.Int64Range(1, 2000).Draw(t, "half units")})
		}
		n := rapid.IntRange(0, 12).Draw(t, "n")
		seed := rapid.StringMatching(`[a-z0-9]{1,20}`).Draw(t, "seed")
		got, err := clue.Sample(seed, units, n)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != min(n, len(units)) {
			t.Fatalf("%d drawn of %d, want %d", len(got), len(units), min(n, len(units)))
		}
		if diff := cmp.Diff(recompute(seed, units, n), ids(got)); diff != "" {
			t.Fatalf("by the book (-) and drawn (+):\n%s", diff)
		}
		slices.Reverse(units)
		again, err := clue.Sample(seed, units, n)
		if err != nil || !slices.Equal(ids(again), ids(got)) {
			t.Fatalf("another order of the units draws %v, not %v (%v)", ids(again), ids(got), err)
		}
	})
}

// TestSampleVectors holds the published vectors: whoever writes another implementation checks it with them.
func TestSampleVectors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/sample.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct {
		Seed  string
		N     int
		Units []clue.Unit
		Want  []string
	}
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < 3 {
		t.Fatalf("%d vectors", len(vectors))
	}
	for i, v := range vectors {
		got, err := clue.Sample(v.Seed, v.Units, v.N)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(v.Want, ids(got)); diff != "" {
			t.Errorf("vector %d (-want +got):\n%s", i, diff)
		}
	}
}

// TestSampleIsInProportion: over many seeds each unit is drawn n × its part of the claims.
func TestSampleIsInProportion(t *testing.T) {
	t.Parallel()
	units := []clue.Unit{{"a", 10}, {"b", 20}, {"c", 30}, {"d", 40}, {"e", 100}}
	count := map[string]int{}
	const seeds = 6000
	for i := range seeds {
		draws, err := clue.Sample(fmt.Sprint("seed ", i), units, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range draws {
			count[d.ID]++
			if d.Certain != (d.ID == "e") {
				t.Fatalf("%s: certain is %v", d.ID, d.Certain)
			}
		}
	}
	for id, want := range map[string]float64{"a": 0.1, "b": 0.2, "c": 0.3, "d": 0.4, "e": 1} {
		got := float64(count[id]) / seeds
		if slack := 4 * math.Sqrt(want*(1-want)/seeds); math.Abs(got-want) > slack {
			t.Errorf("%s is drawn with %.4f, want %.2f ± %.4f", id, got, want, slack)
		}
	}
}

func TestSampleRefuses(t *testing.T) {
	t.Parallel()
	ok := []clue.Unit{{"a", 1}}
	for name, c := range map[string]struct {
		seed  string
		units []clue.Unit
		n     int
	}{
		"no seed": {"", ok, 1}, "negative": {"s", ok, -1}, "twice": {"s", []clue.Unit{{"a", 1}, {"a", 2}}, 1},
		"nothing claimed": {"s", []clue.Unit{{"a", 0}}, 1}, "too much": {"s", []clue.Unit{{"a", 1 << 40}, {"b", 1 << 40}}, 1},
	} {
		if _, err := clue.Sample(c.seed, c.units, c.n); !errors.Is(err, clue.ErrSample) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	unit := func(id string, claimed int64, certain bool, found float64) clue.Checked {
		return clue.Checked{Draw: clue.Draw{Unit: clue.Unit{ID: id, HalfUnits: claimed}, Certain: certain}, FoundHalfUnits: found}
	}
	// By hand: the rest is 800 of 1000, its ratios 1, 0.8 and 0.9 have mean 0.9 and deviation 0.1; the certain class held
	// 100 of 200. So 100 + 720 = 820 of 1000; half the interval is 4.303 × 0.1 ÷ √3 × 0.8 = 0.1987.
	got, err := clue.Estimate95(1000, []clue.Checked{
		unit("e", 200, true, 100), unit("a", 50, false, 50), unit("b", 100, false, 80), unit("c", 10, false, 9),
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]float64{
		"ratio": {got.Ratio, 0.82}, "low": {got.Low, 0.82 - 0.1987}, "high": {got.High, 0.82 + 0.1987}, "held": {got.HalfUnits, 820},
	} {
		if math.Abs(pair[0]-pair[1]) > 1e-3 {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
	if !got.Known || got.Drawn != 4 {
		t.Errorf("estimate %+v", got)
	}
	if one, err := clue.Estimate95(1000, []clue.Checked{unit("a", 50, false, 40)}); err != nil || one.Known || one.Ratio != 0.8 {
		t.Errorf("one unit tells %+v (%v)", one, err)
	}
	if all, err := clue.Estimate95(50, []clue.Checked{unit("a", 50, true, 40)}); err != nil || !all.Known || all.Low != 0.8 || all.High != 0.8 {
		t.Errorf("everything was checked: %+v (%v)", all, err)
	}
	for name, list := range map[string][]clue.Checked{
		"none": nil, "more than all": {unit("a", 2000, true, 1)}, "not a number": {unit("a", 5, false, math.NaN())},
		"negative": {unit("a", 5, false, -1)},
	} {
		if _, err := clue.Estimate95(1000, list); !errors.Is(err, clue.ErrSample) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestEstimateCovers: the interval at 95 % holds the truth in at least nine of ten samples of a city of uneven classes.
func TestEstimateCovers(t *testing.T) {
	t.Parallel()
	var units []clue.Unit
	held := map[string]float64{}
	var total int64
	var truth float64
	for i := range 300 {
		u := clue.Unit{ID: fmt.Sprint("class ", i), HalfUnits: int64(50 + i*i%397)}
		units = append(units, u)
		total += u.HalfUnits
		held[u.ID] = float64(u.HalfUnits) * []float64{1, 1, 0.95, 0.9, 0.6}[i%5]
		truth += held[u.ID]
	}
	inside := 0
	const runs = 300
	for i := range runs {
		draws, err := clue.Sample(fmt.Sprint("run ", i), units, 30)
		if err != nil {
			t.Fatal(err)
		}
		var checked []clue.Checked
		for _, d := range draws {
			checked = append(checked, clue.Checked{Draw: d, FoundHalfUnits: held[d.ID]})
		}
		e, err := clue.Estimate95(total, checked)
		if err != nil {
			t.Fatal(err)
		}
		if want := truth / float64(total); e.Low <= want && want <= e.High {
			inside++
		}
	}
	if inside < runs*9/10 {
		t.Errorf("the interval held the truth in %d of %d samples", inside, runs)
	}
}
