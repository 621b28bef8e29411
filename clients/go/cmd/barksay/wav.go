package main

import (
	"encoding/binary"
	"io"
)

const (
	headerBytes    = 44
	bytesPerSample = 2
)

// wavWriter writes 16-bit mono samples after a WAV header, whose sizes finish sets.
type wavWriter struct {
	file       io.WriteSeeker
	sampleRate int32
	dataBytes  uint32
}

func newWAVWriter(file io.WriteSeeker, sampleRate int32) (*wavWriter, error) {
	w := &wavWriter{file: file, sampleRate: sampleRate}
	_, err := file.Write(w.header())
	return w, err
}

// Write appends whole samples.
func (w *wavWriter) Write(samples []byte) (int, error) {
	count, err := w.file.Write(samples)
	w.dataBytes += uint32(count)
	return count, err
}

func (w *wavWriter) finish() error {
	if _, err := w.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := w.file.Write(w.header())
	return err
}

func (w *wavWriter) header() []byte {
	header := make([]byte, 0, headerBytes)
	header = append(header, "RIFF"...)
	header = binary.LittleEndian.AppendUint32(header, headerBytes-8+w.dataBytes)
	header = append(header, "WAVEfmt "...)
	header = binary.LittleEndian.AppendUint32(header, 16)
	header = binary.LittleEndian.AppendUint16(header, 1) // PCM
	header = binary.LittleEndian.AppendUint16(header, 1) // mono
	header = binary.LittleEndian.AppendUint32(header, uint32(w.sampleRate))
	header = binary.LittleEndian.AppendUint32(header, uint32(w.sampleRate)*bytesPerSample)
	header = binary.LittleEndian.AppendUint16(header, bytesPerSample)
	header = binary.LittleEndian.AppendUint16(header, 8*bytesPerSample)
	header = append(header, "data"...)
	return binary.LittleEndian.AppendUint32(header, w.dataBytes)
}
