// Checks what Charter's log gives out, with the packages of Go's own checksum database and
// nothing of ours: golang.org/x/mod/sumdb/note and .../tlog.
//
//	tlogcheck proof VKEY PROOF RECORD        a record, in RFC 8785, is in the log
//	tlogcheck tree VKEY OLD NEW PATH         the newer checkpoint extends the older
//	tlogcheck tiles VKEY URL                 the log below a URL, which ends in a slash, is whole
//	tlogcheck cosigned VKEY NOTE             a witness cosigned a checkpoint
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tlogcheck:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 4 && args[0] == "proof":
		return proof(args[1], args[2], args[3])
	case len(args) == 5 && args[0] == "tree":
		return tree(args[1], args[2], args[3], args[4])
	case len(args) == 3 && args[0] == "tiles":
		return tiles(args[1], args[2])
	case len(args) == 3 && args[0] == "cosigned":
		return cosigned(args[1], args[2])
	}
	return fmt.Errorf("usage: tlogcheck proof VKEY PROOF RECORD | tree VKEY OLD NEW PATH | tiles VKEY URL | cosigned VKEY NOTE")
}

func proof(vkey, proofFile, recordFile string) error {
	text, err := os.ReadFile(proofFile)
	if err != nil {
		return err
	}
	record, err := os.ReadFile(recordFile)
	if err != nil {
		return err
	}
	head, checkpoint, found := strings.Cut(string(text), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" {
		return fmt.Errorf("not a tlog-proof")
	}
	extra, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil || len(extra) != 64 {
		return fmt.Errorf("no extra line of 64 bytes")
	}
	digest := sha256.Sum256(append(bytes.Clone(extra[:32]), record...))
	if !bytes.Equal(digest[:], extra[32:]) {
		return fmt.Errorf("the proof is about another record")
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	path, err := hashes(lines[3:])
	if err != nil {
		return err
	}
	size, root, err := open(vkey, []byte(checkpoint))
	if err != nil {
		return err
	}
	leaf := tlog.RecordHash([]byte(fmt.Sprintf("charter-entry/v1\nsha256:%x\n", digest)))
	if err := tlog.CheckRecord(tlog.RecordProof(path), size, root, index, leaf); err != nil {
		return err
	}
	fmt.Printf("entry %d of %d\n", index, size)
	return nil
}

func tree(vkey, oldFile, newFile, pathFile string) error {
	var sizes [2]int64
	var roots [2]tlog.Hash
	for i, name := range []string{oldFile, newFile} {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if sizes[i], roots[i], err = open(vkey, text); err != nil {
			return err
		}
	}
	text, err := os.ReadFile(pathFile)
	if err != nil {
		return err
	}
	path, err := hashes(strings.Fields(string(text)))
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(tlog.TreeProof(path), sizes[1], roots[1], sizes[0], roots[0]); err != nil {
		return err
	}
	fmt.Printf("%d extends %d\n", sizes[1], sizes[0])
	return nil
}

// open checks the signature of a checkpoint and reads its size and root.
func open(vkey string, text []byte) (int64, tlog.Hash, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	signed, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return 0, tlog.Hash{}, fmt.Errorf("not a checkpoint of %s", verifier.Name())
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return size, root, err
}

func hashes(lines []string) ([]tlog.Hash, error) {
	path := make([]tlog.Hash, 0, len(lines))
	for _, line := range lines {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return nil, err
		}
		path = append(path, hash)
	}
	return path, nil
}
