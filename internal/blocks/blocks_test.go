package blocks

import "testing"

func TestWhatIsTakenIsZeroAndApart(t *testing.T) {
	var b Of[[100]byte]
	for range 3 {
		var taken [][][100]byte
		for n := range 200 {
			part := b.Take(n % 7)
			if len(part) != n%7 || cap(part) != n%7 {
				t.Fatalf("%d things asked for: %d with room for %d", n%7, len(part), cap(part))
			}
			for i := range part {
				if part[i] != ([100]byte{}) {
					t.Fatal("a thing is not zero")
				}
				part[i][0], part[i][99] = byte(n), byte(i+1)
			}
			taken = append(taken, part)
		}
		for n, part := range taken {
			for i := range part {
				if part[i][0] != byte(n) || part[i][99] != byte(i+1) {
					t.Fatal("two parts share memory")
				}
			}
		}
		b.Reset()
	}
}

func TestWhatIsLargerThanABlockIsGiven(t *testing.T) {
	var b Of[int]
	if n := len(b.Take(1 << 20)); n != 1<<20 {
		t.Errorf("%d things", n)
	}
	b.Reset()
	if p := b.One(); *p != 0 {
		t.Errorf("%d", *p)
	}
}

func TestMemoryIsUsedAgain(t *testing.T) {
	var b Of[int]
	once := func() {
		for range 5000 {
			*b.One() = 1
		}
		b.Reset()
	}
	once()
	if n := testing.AllocsPerRun(10, once); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
