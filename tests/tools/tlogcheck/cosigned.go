package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// witness verifies the lines of one witness (C2SP tlog-cosignature v1, Ed25519). The note
// package finds the line by name and id, and knows nothing of type 4 itself.
type witness struct {
	name string
	id   uint32
	key  ed25519.PublicKey
	time uint64
}

func (w *witness) Name() string    { return w.name }
func (w *witness) KeyHash() uint32 { return w.id }

func (w *witness) Verify(text, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	w.time = binary.BigEndian.Uint64(sig)
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", w.time, text)
	return ed25519.Verify(w.key, []byte(message), sig[8:])
}

func newWitness(vkey string) (*witness, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("not a verifier key")
	}
	typed, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(typed) != 1+ed25519.PublicKeySize || typed[0] != 4 {
		return nil, fmt.Errorf("not the verifier key of a witness")
	}
	sum := sha256.Sum256([]byte(parts[0] + "\n" + string(typed)))
	id := binary.BigEndian.Uint32(sum[:])
	if fmt.Sprintf("%08x", id) != parts[1] {
		return nil, fmt.Errorf("the id is not that of the key")
	}
	return &witness{name: parts[0], id: id, key: typed[1:]}, nil
}

// cosigned checks the line of a witness on a checkpoint, whoever else signed.
func cosigned(vkey, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	w, err := newWitness(vkey)
	if err != nil {
		return err
	}
	signed, err := note.Open(text, note.VerifierList(w))
	if err != nil {
		return err
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) < 4 {
		return fmt.Errorf("not a checkpoint")
	}
	fmt.Printf("%s at %d\n", lines[1], w.time)
	return nil
}
