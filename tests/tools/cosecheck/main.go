// Checks a decision that Charter wrote for tools of COSE, with nothing of ours: messages are read
// and signatures verified by github.com/veraison/go-cose, the tree is recomputed by
// github.com/transparency-dev/merkle.
//
//	cosecheck DECISION-KEY RECEIPT-KEY STATEMENT
//
// Keys are PEM files of P-256.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"

	"github.com/fxamacker/cbor/v2"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/veraison/go-cose"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cosecheck:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: cosecheck DECISION-KEY RECEIPT-KEY STATEMENT")
	}
	statement, err := message(args[2])
	if err != nil {
		return err
	}
	if err := verify(statement, args[0]); err != nil {
		return fmt.Errorf("statement: %w", err)
	}
	salt, ok := statement.Headers.Protected["charter-salt"].([]byte)
	if !ok || len(salt) != 32 {
		return fmt.Errorf("no salt of 32 bytes")
	}
	listed, ok := statement.Headers.Unprotected[int64(394)].([]any)
	if !ok || len(listed) != 1 {
		return fmt.Errorf("not one receipt")
	}
	data, ok := listed[0].([]byte)
	if !ok {
		return fmt.Errorf("the receipt is no byte string")
	}
	var receipt cose.Sign1Message
	if err := receipt.UnmarshalCBOR(data); err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	// The entry of the log: two lines that commit to salt and record.
	commitment := sha256.Sum256(append(bytes.Clone(salt), statement.Payload...))
	entry := fmt.Sprintf("charter-entry/v1\nsha256:%x\n", commitment)
	size, index, root, err := recompute(&receipt, []byte(entry))
	if err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	receipt.Payload = root
	if err := verify(&receipt, args[1]); err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	fmt.Printf("entry %d of %d\n", index, size)
	return nil
}

func message(file string) (*cose.Sign1Message, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var found cose.Sign1Message
	return &found, found.UnmarshalCBOR(data)
}

func verify(found *cose.Sign1Message, keyFile string) error {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("no PEM")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return err
	}
	verifier, err := cose.NewVerifier(cose.AlgorithmES256, key)
	if err != nil {
		return err
	}
	return found.Verify(nil, verifier)
}

// recompute gives the root of the tree that holds the entry, as a receipt of RFC 9942 over a tree
// of RFC 9162 has it.
func recompute(receipt *cose.Sign1Message, entry []byte) (size, index uint64, root []byte, err error) {
	if structure, ok := receipt.Headers.Protected[int64(395)].(int64); !ok || structure != 1 {
		return 0, 0, nil, fmt.Errorf("not over a tree of RFC 9162")
	}
	if receipt.Payload != nil {
		return 0, 0, nil, fmt.Errorf("it carries a root")
	}
	proofs, ok := receipt.Headers.Unprotected[int64(396)].(map[any]any)
	if !ok {
		return 0, 0, nil, fmt.Errorf("no proofs")
	}
	inclusion, ok := proofs[int64(-1)].([]any)
	if !ok || len(inclusion) != 1 {
		return 0, 0, nil, fmt.Errorf("not one proof of inclusion")
	}
	data, ok := inclusion[0].([]byte)
	if !ok {
		return 0, 0, nil, fmt.Errorf("the proof is no byte string")
	}
	var parts struct {
		_     struct{} `cbor:",toarray"`
		Size  uint64
		Index uint64
		Path  [][]byte
	}
	if err := cbor.Unmarshal(data, &parts); err != nil {
		return 0, 0, nil, err
	}
	hasher := rfc6962.DefaultHasher
	root, err = proof.RootFromInclusionProof(hasher, parts.Index, parts.Size, hasher.HashLeaf(entry), parts.Path)
	return parts.Size, parts.Index, root, err
}
