//! Git's protocol, as far as a fetch of single commits needs it: what a server offers, the references that are asked for,
//! and a pack of one commit without its history.
//!
//! Version 2 (gitprotocol-v2(5)), and the one before it (gitprotocol-pack(5)), which some services and SSH servers that
//! take no variables still speak. There a server begins with all of its references, and may give away nothing else.
//!
//! Nothing that a server says becomes a path or a command; lines, lists and packs have bounds.

use std::io::{self, BufRead, Read};

use super::packet::{Packet, write_delimiter, write_flush, write_line};

/// As many references as a server may tell.
const MOST_REFERENCES: usize = 100_000;

/// As long a server's complaint may be.
const LONGEST_COMPLAINT: usize = 400;

/// What a server can do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offer {
    /// Whether ids are SHA-256.
    pub(super) is_sha256: bool,
    /// Whether it leaves out history.
    pub(super) can_be_shallow: bool,
    /// Of a server that speaks the old version.
    pub(super) old: Option<Old>,
}

/// What only the old version has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Old {
    /// All references; of an annotated tag a second time, with `^{}` behind its name, what it is of.
    pub(super) references: Vec<Reference>,
    /// Whether it gives commits that no reference names.
    gives_any: bool,
}

/// A reference of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reference {
    pub(super) name: String,
    pub(super) id: String,
}

fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.into())
}

/// A server's own words, shortened and without control characters.
fn complaint(text: &str) -> io::Error {
    let words: String = text
        .chars()
        .filter(|char| !char.is_control())
        .take(LONGEST_COMPLAINT)
        .collect();
    io::Error::other(format!("the server says: {}", words.trim()))
}

/// The next line; nothing at a section's or a message's end.
fn next_line(from: &mut impl Read) -> io::Result<Option<String>> {
    let line = Packet::read(from)?.line();
    match line.as_deref().and_then(|line| line.strip_prefix("ERR ")) {
        Some(words) => Err(complaint(words)),
        None => Ok(line),
    }
}

/// Reads what a server says first; over HTTP a line and a flush stand before it.
pub(super) fn read_offer(from: &mut impl Read) -> io::Result<Offer> {
    let mut first = next_line(from)?;
    if first
        .as_deref()
        .is_some_and(|line| line.starts_with("# service="))
    {
        next_line(from)?;
        first = next_line(from)?;
    }
    if first.as_deref() != Some("version 2") {
        return read_old_offer(from, first);
    }
    let mut offer = Offer::default();
    for _ in 0..MOST_REFERENCES {
        let Some(line) = next_line(from)? else {
            return Ok(offer);
        };
        match line.split_once('=') {
            Some(("object-format", format)) => match format {
                "sha1" => offer.is_sha256 = false,
                "sha256" => offer.is_sha256 = true,
                _ => return Err(invalid("the server's ids are neither SHA-1 nor SHA-256")),
            },
            Some(("fetch", features)) => {
                offer.can_be_shallow = features.split(' ').any(|feature| feature == "shallow");
            }
            _ => {}
        }
    }
    Err(invalid("the server offers without end"))
}

/// The old version: `ID NAME\0CAPABILITIES`, then `ID NAME` for each of the other references.
fn read_old_offer(from: &mut impl Read, mut line: Option<String>) -> io::Result<Offer> {
    const OTHER: &str = "the server does not speak a version of Git's protocol that kiel knows";
    if line.as_deref() == Some("version 1") {
        line = next_line(from)?;
    }
    let first = line.as_deref().and_then(|line| line.split_once('\0'));
    let (first, capabilities) = first.ok_or_else(|| invalid(OTHER))?;
    let has = |name: &str| capabilities.split(' ').any(|capability| capability == name);
    if !has("side-band-64k") {
        return Err(invalid(OTHER));
    }
    let mut old = Old {
        references: Vec::new(),
        gives_any: has("allow-reachable-sha1-in-want") || has("allow-any-sha1-in-want"),
    };
    let mut line = Some(first.to_owned());
    while let Some(reference) = line {
        if old.references.len() == MOST_REFERENCES {
            return Err(invalid("the server has too many references"));
        }
        // After the references there may be commits of which it has no parents.
        match reference.split_once(' ') {
            Some(("shallow", _)) => {}
            Some((id, name)) => old.references.push(Reference {
                name: name.to_owned(),
                id: id.to_owned(),
            }),
            None => return Err(invalid(OTHER)),
        }
        line = next_line(from)?;
    }
    Ok(Offer {
        is_sha256: has("object-format=sha256"),
        can_be_shallow: has("shallow"),
        old: Some(old),
    })
}

impl Old {
    /// The commit that a reference leads to.
    pub(super) fn find(&self, name: &str) -> Option<Reference> {
        let named = |name: &str| self.references.iter().find(|found| found.name == name);
        let found = named(&format!("{name}^{{}}")).or_else(|| named(name))?;
        Some(Reference {
            name: name.to_owned(),
            id: found.id.clone(),
        })
    }

    /// What to ask for to get a commit, and whether it is that alone.
    fn wants(&self, want: &str) -> (Vec<&str>, bool) {
        let named = self.references.iter().filter(|found| found.id == want);
        for found in named {
            let Some(tag) = found.name.strip_suffix("^{}") else {
                return (vec![&found.id], true);
            };
            // It gives the tag and with it what that is of.
            if let Some(tag) = self.references.iter().find(|other| other.name == tag) {
                return (vec![&tag.id], true);
            }
        }
        let tips = self.references.iter().filter(|found| {
            !found.name.ends_with("^{}")
                && (found.name.starts_with("refs/heads/") || found.name.starts_with("refs/tags/"))
        });
        (tips.map(|found| found.id.as_str()).collect(), false)
    }
}

/// As [`pack_request`] in the old version. Where a server gives nothing but what its references lead to, all of that is
/// asked for.
fn old_pack_request(offer: &Offer, old: &Old, want: &str) -> Vec<u8> {
    let (wants, is_alone) = old.wants(want);
    let (wants, is_alone) = if !is_alone && old.gives_any {
        (vec![want], true)
    } else {
        (wants, is_alone)
    };
    let format = if offer.is_sha256 {
        " object-format=sha256"
    } else {
        ""
    };
    let mut capabilities = format!(
        " side-band-64k no-progress ofs-delta{format} agent=kiel/{}",
        env!("CARGO_PKG_VERSION")
    );
    let is_shallow = is_alone && offer.can_be_shallow;
    if is_shallow {
        capabilities.insert_str(0, " shallow");
    }
    let mut text = Vec::new();
    for want in wants {
        write_line(
            &mut text,
            &format!("want {want}{}", std::mem::take(&mut capabilities)),
        );
    }
    if is_shallow {
        write_line(&mut text, "deepen 1");
    }
    write_flush(&mut text);
    write_line(&mut text, "done");
    text
}

fn begin(command: &str, offer: &Offer) -> Vec<u8> {
    let mut text = Vec::new();
    write_line(&mut text, &format!("command={command}"));
    write_line(&mut text, concat!("agent=kiel/", env!("CARGO_PKG_VERSION")));
    if offer.is_sha256 {
        write_line(&mut text, "object-format=sha256");
    }
    write_delimiter(&mut text);
    text
}

/// Asks for references whose names begin so.
pub(super) fn references_request(offer: &Offer, prefixes: &[String]) -> Vec<u8> {
    let mut text = begin("ls-refs", offer);
    write_line(&mut text, "peel");
    for prefix in prefixes {
        write_line(&mut text, &format!("ref-prefix {prefix}"));
    }
    write_flush(&mut text);
    text
}

/// The answer to [`references_request`].
pub(super) fn read_references(from: &mut impl Read) -> io::Result<Vec<Reference>> {
    let mut found = Vec::new();
    while let Some(line) = next_line(from)? {
        if found.len() == MOST_REFERENCES {
            return Err(invalid("the server has too many references"));
        }
        let mut words = line.split(' ');
        if let (Some(id), Some(name)) = (words.next(), words.next()) {
            // What an annotated tag is of.
            let id = words.find_map(|word| word.strip_prefix("peeled:")).unwrap_or(id);
            found.push(Reference {
                name: name.to_owned(),
                id: id.to_owned(),
            });
        }
    }
    Ok(found)
}

/// Asks for one object with all that it needs but its history; `have` are commits of which all files are here.
pub(super) fn pack_request(offer: &Offer, want: &str, have: &[String]) -> Vec<u8> {
    if let Some(old) = &offer.old {
        return old_pack_request(offer, old, want);
    }
    let mut text = begin("fetch", offer);
    write_line(&mut text, "no-progress");
    write_line(&mut text, "ofs-delta");
    if offer.can_be_shallow {
        for id in have {
            write_line(&mut text, &format!("shallow {id}"));
        }
        write_line(&mut text, "deepen 1");
    }
    write_line(&mut text, &format!("want {want}"));
    for id in have {
        write_line(&mut text, &format!("have {id}"));
    }
    write_line(&mut text, "done");
    write_flush(&mut text);
    text
}

/// Reads the answer to [`pack_request`] up to its pack.
pub(super) fn read_pack<R: Read>(mut from: R, offer: &Offer) -> io::Result<PackReader<R>> {
    let is_old = offer.old.is_some();
    for _ in 0..MOST_REFERENCES {
        let packet = Packet::read(&mut from)?;
        let Some(line) = packet.line() else {
            if packet == Packet::Delimiter || is_old && packet == Packet::Flush {
                continue;
            }
            return Err(invalid("the server sent no pack"));
        };
        if let Some(words) = line.strip_prefix("ERR ") {
            return Err(complaint(words));
        }
        if line == if is_old { "NAK" } else { "packfile" } {
            return Ok(PackReader {
                from,
                data: Vec::new(),
                at: 0,
                is_over: false,
            });
        }
    }
    Err(invalid("the server sent no pack"))
}

/// The bytes of a pack out of the band that holds them.
pub(super) struct PackReader<R> {
    from: R,
    data: Vec<u8>,
    at: usize,
    is_over: bool,
}

impl<R: Read> BufRead for PackReader<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.data.len() && !self.is_over {
            match Packet::read(&mut self.from)? {
                Packet::Data(data) => match data.first() {
                    Some(1) => (self.data, self.at) = (data, 1),
                    Some(2) => {}
                    Some(3) => return Err(complaint(&String::from_utf8_lossy(&data[1..]))),
                    _ => return Err(invalid("the server sent something else than a pack")),
                },
                _ => self.is_over = true,
            }
        }
        Ok(&self.data[self.at..])
    }

    fn consume(&mut self, count: usize) {
        self.at += count;
    }
}

impl<R: Read> Read for PackReader<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mut data = self.fill_buf()?;
        let count = data.read(to)?;
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(lines: &[&str]) -> Vec<u8> {
        let mut text = Vec::new();
        for line in lines {
            match *line {
                "|" => write_delimiter(&mut text),
                "." => write_flush(&mut text),
                line => write_line(&mut text, line),
            }
        }
        text
    }

    #[test]
    fn offers_are_read_with_and_without_the_line_of_http() {
        let lines = [
            "version 2",
            "ls-refs=unborn",
            "fetch=shallow wait-for-done",
            "object-format=sha256",
            ".",
        ];
        let want = Offer {
            is_sha256: true,
            can_be_shallow: true,
            old: None,
        };
        assert_eq!(
            read_offer(&mut message(&lines).as_slice()).expect("an offer"),
            want
        );
        let over_http = [&["# service=git-upload-pack", "."], &lines[..]].concat();
        assert_eq!(
            read_offer(&mut message(&over_http).as_slice()).expect("an offer"),
            want
        );
        for (lines, part) in [
            (&["version 1", "."][..], "does not speak a version"),
            (
                &["ERR no\u{1b}[31mthing here"],
                "the server says: no[31mthing here",
            ),
            (&["version 2", "object-format=md5", "."], "neither SHA-1"),
        ] {
            let error = read_offer(&mut message(lines).as_slice()).expect_err("no offer");
            assert!(error.to_string().contains(part), "{error}");
        }
    }

    #[test]
    fn a_pack_is_taken_out_of_its_band() {
        let mut text = message(&["shallow-info", "shallow abc", "|", "packfile"]);
        for data in ["\u{2}progress", "\u{1}PA", "\u{1}CK"] {
            text.extend_from_slice(format!("{:04x}{data}", data.len() + 4).as_bytes());
        }
        write_flush(&mut text);
        let mut pack = String::new();
        let mut reader = read_pack(text.as_slice(), &Offer::default()).expect("a pack");
        reader.read_to_string(&mut pack).expect("it is whole");
        assert_eq!(pack, "PACK");
        for (lines, part) in [
            (&["acknowledgments", "NAK", "."][..], "no pack"),
            (&["ERR upload-pack: not our ref"], "not our ref"),
        ] {
            let error = read_pack(message(lines).as_slice(), &Offer::default())
                .err()
                .expect("no pack");
            assert!(error.to_string().contains(part), "{error}");
        }
        let mut broken = message(&["packfile", "\u{3}out of memory"]);
        broken.truncate(broken.len() - 1);
        assert!(
            read_pack(broken.as_slice(), &Offer::default())
                .and_then(|mut pack| pack.read(&mut [0]))
                .is_err()
        );
    }
}
