package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

// reader reads tiles of 256 hashes over HTTP, as golang.org/x/mod/sumdb/tlog asks for them.
type reader struct{ url string }

func (r reader) Height() int                                { return 8 }
func (r reader) SaveTiles(tiles []tlog.Tile, data [][]byte) {}
func (r reader) ReadTiles(tiles []tlog.Tile) (out [][]byte, err error) {
	for _, tile := range tiles {
		// Go writes the height into the path, C2SP tlog-tiles does not.
		data, err := get(r.url+strings.Replace(tile.Path(), "tile/8/", "tile/", 1), "immutable")
		if err != nil {
			return nil, err
		}
		out = append(out, data)
	}
	return out, nil
}

func get(url, cached string) ([]byte, error) {
	response, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, response.Status)
	}
	if found := response.Header.Get("Cache-Control"); cached != "" && !strings.Contains(found, cached) {
		return nil, fmt.Errorf("%s: Cache-Control is %q", url, found)
	}
	return io.ReadAll(io.LimitReader(response.Body, 1<<25))
}

// tiles reads the whole log below a URL: the checkpoint is signed, every hash leads to its
// root, every entry is the one that is hashed, and the tree extends its own beginnings.
func tiles(vkey, url string) error {
	text, err := get(url+"checkpoint", "")
	if err != nil {
		return err
	}
	size, root, err := open(vkey, text)
	if err != nil {
		return err
	}
	hashes := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, reader{url})
	for first := int64(0); first < size; first += 256 {
		if err := bundle(url, hashes, first, min(256, size-first)); err != nil {
			return err
		}
	}
	for _, index := range []int64{0, size / 2, size - 1} {
		if err := proofs(hashes, size, root, index); err != nil {
			return err
		}
	}
	fmt.Printf("%d entries\n", size)
	return nil
}

func proofs(hashes tlog.HashReader, size int64, root tlog.Hash, index int64) error {
	leaf, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
	if err != nil {
		return err
	}
	path, err := tlog.ProveRecord(size, index, hashes)
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(path, size, root, index, leaf[0]); err != nil {
		return err
	}
	old, err := tlog.TreeHash(index+1, hashes)
	if err != nil {
		return err
	}
	history, err := tlog.ProveTree(size, index+1, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckTree(history, size, root, index+1, old)
}

func bundle(url string, hashes tlog.HashReader, first, width int64) error {
	path := tlog.Tile{H: 8, L: -1, N: first / 256, W: int(width)}.Path()
	data, err := get(url+strings.Replace(path, "tile/8/data/", "tile/entries/", 1), "immutable")
	if err != nil {
		return err
	}
	indexes := make([]int64, width)
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
	}
	leaves, err := hashes.ReadHashes(indexes)
	if err != nil {
		return err
	}
	for i, leaf := range leaves {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return fmt.Errorf("%s ends before its last entry", path)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		if tlog.RecordHash(data[2:end]) != leaf {
			return fmt.Errorf("entry %s is not the one that is hashed", strconv.FormatInt(first+int64(i), 10))
		}
		data = data[end:]
	}
	if len(data) != 0 {
		return fmt.Errorf("%s goes on after its last entry", path)
	}
	return nil
}
