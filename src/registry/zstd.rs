//! Layers compressed by zstd, as one stream.
//!
//! What compresses a layer may write it as several frames, and put frames between them that are for others to read
//! (`zstd:chunked` does both). The decoder knows single frames; this joins what they hold. Nothing is compressed here, and a frame's own
//! checksum is not looked at: the digest of the layer was.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Reads what the frames of `source` hold.
pub(crate) struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    inside: bool,
}

impl<R: BufRead> Frames<R> {
    /// Reads nothing yet.
    pub(crate) fn new(source: R) -> Self {
        Self {
            source,
            decoder: FrameDecoder::new(),
            inside: false,
        }
    }

    /// Goes on to the next frame with content; false at the end of the source.
    fn enter(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.inside = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut (&mut self.source).take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !buffer.is_empty() {
            if !self.inside && !self.enter()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(io::Error::other)?;
            }
            match self.decoder.read(buffer)? {
                0 => self.inside = false,
                length => return Ok(length),
            }
        }
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf one | zstd`, `printf two | zstd`, and a frame to skip.
    const ONE: &[u8] = &[
        0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x19, 0x00, 0x00, b'o', b'n', b'e', 0xf6, 0xa1, 0x08, 0x24,
    ];
    const TWO: &[u8] = &[
        0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x19, 0x00, 0x00, b't', b'w', b'o', 0x8b, 0x44, 0xf4, 0xec,
    ];
    const SKIPPED: &[u8] = &[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];

    fn read(parts: &[&[u8]]) -> io::Result<String> {
        let bytes = parts.concat();
        let mut text = String::new();
        Frames::new(bytes.as_slice()).read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn frames_are_joined_and_those_for_others_skipped() {
        assert_eq!(read(&[]).unwrap(), "");
        assert_eq!(read(&[ONE]).unwrap(), "one");
        assert_eq!(
            read(&[SKIPPED, ONE, SKIPPED, SKIPPED, TWO, SKIPPED]).unwrap(),
            "onetwo"
        );
    }

    #[test]
    fn what_is_cut_or_changed_is_an_error() {
        for cut in 1..ONE.len() {
            assert!(read(&[&ONE[..cut]]).is_err(), "{cut} bytes");
        }
        assert!(read(&[ONE, &SKIPPED[..9]]).is_err());
        assert!(read(&[ONE, b"more"]).is_err());
    }
}
