//! Git's packet lines: four hex digits of length, then as many bytes, as gitprotocol-common(5) has them.

use std::io::{self, Read};

/// No packet is longer.
const LONGEST: usize = 65_520;

/// One packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packet {
    /// `0000`: the end of a message.
    Flush,
    /// `0001`: the end of a section.
    Delimiter,
    /// `0002`: the end of an answer, where a connection holds more than one.
    End,
    /// Bytes.
    Data(Vec<u8>),
}

impl Packet {
    /// Reads the next one.
    ///
    /// # Errors
    /// The stream ends before it, or it is none.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; 4];
        from.read_exact(&mut head)?;
        let length = std::str::from_utf8(&head)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|text| usize::from_str_radix(text, 16).ok());
        match length {
            Some(0) => Ok(Self::Flush),
            Some(1) => Ok(Self::Delimiter),
            Some(2) => Ok(Self::End),
            Some(length @ 4..=LONGEST) => {
                let mut data = vec![0; length - 4];
                from.read_exact(&mut data)?;
                Ok(Self::Data(data))
            }
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the server does not speak Git's protocol",
            )),
        }
    }

    /// The packet as text without the line feed at its end; nothing for the others.
    pub(super) fn line(&self) -> Option<String> {
        let Self::Data(data) = self else { return None };
        let text = String::from_utf8_lossy(data);
        Some(text.strip_suffix('\n').unwrap_or(&text).to_owned())
    }
}

/// Appends a line.
pub(super) fn write_line(to: &mut Vec<u8>, text: &str) {
    to.extend_from_slice(format!("{:04x}{text}\n", text.len() + 5).as_bytes());
}

/// Appends the end of a section.
pub(super) fn write_delimiter(to: &mut Vec<u8>) {
    to.extend_from_slice(b"0001");
}

/// Appends the end of a message.
pub(super) fn write_flush(to: &mut Vec<u8>) {
    to.extend_from_slice(b"0000");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_as_they_are_written() {
        let mut text = Vec::new();
        write_line(&mut text, "command=fetch");
        write_delimiter(&mut text);
        write_flush(&mut text);
        let mut from = text.as_slice();
        let first = Packet::read(&mut from).expect("a packet");
        assert_eq!(first.line().as_deref(), Some("command=fetch"));
        assert_eq!(Packet::read(&mut from).expect("a packet"), Packet::Delimiter);
        assert_eq!(Packet::read(&mut from).expect("a packet"), Packet::Flush);
        assert!(Packet::read(&mut from).is_err());
    }

    #[test]
    fn what_is_no_packet_is_an_error() {
        for text in ["", "00", "0003", "fff5", "+004", "<htm", "0009a"] {
            assert!(Packet::read(&mut text.as_bytes()).is_err(), "{text}");
        }
    }
}
