//! Tar headers as Go's `archive/tar` writes them: USTAR, and a PAX record where a value does not fit.
//!
//! An engine rewrites layers with that package; only what it would write itself keeps its diff id. Hence no GNU
//! extensions, and the rules for prefix, record order and the names of PAX headers below.

use std::io::{self, Write};

use super::{Owner, TIME};

const BLOCK: usize = 512;
const NAME: usize = 100;
const PREFIX: usize = 155;
const OWNER_NAME: usize = 32;
/// Seven octal digits.
const MAX_ID: u64 = 0o7_777_777;
/// Eleven octal digits.
const MAX_SIZE: u64 = 0o77_777_777_777;

pub(super) enum Kind {
    File,
    Folder,
    /// With its target.
    Link(String),
}

/// One entry's header; a folder's path ends in a slash.
pub(super) struct Header {
    path: String,
    kind: Kind,
    mode: u32,
    size: u64,
    owner: Owner,
}

impl Header {
    pub(super) fn new(path: &str, kind: Kind, mode: u32, size: u64, owner: &Owner) -> Self {
        Self {
            path: path.into(),
            kind,
            mode,
            size,
            owner: owner.clone(),
        }
    }

    fn link(&self) -> &str {
        match &self.kind {
            Kind::Link(target) => target,
            Kind::File | Kind::Folder => "",
        }
    }

    /// Keyword and value of what does not fit, sorted; empty where USTAR can hold everything.
    fn records(&self) -> Vec<(&'static str, String)> {
        let owner = &self.owner;
        let fits = |text: &str, room| text.len() <= room && text.is_ascii();
        let all = [
            ("gid", owner.group_id <= MAX_ID, owner.group_id.to_string()),
            ("gname", fits(&owner.group, OWNER_NAME), owner.group.clone()),
            ("linkpath", fits(self.link(), NAME), self.link().to_owned()),
            ("path", fits(&self.path, NAME), self.path.clone()),
            ("size", self.size <= MAX_SIZE, self.size.to_string()),
            ("uid", owner.user_id <= MAX_ID, owner.user_id.to_string()),
            ("uname", fits(&owner.user, OWNER_NAME), owner.user.clone()),
        ];
        let records: Vec<_> = all
            .into_iter()
            .filter(|(_, fits, _)| !fits)
            .map(|(keyword, _, value)| (keyword, value))
            .collect();
        // Go: a long path alone needs no record if it can be split, but has one where another value needs PAX.
        match records.as_slice() {
            [("path", path)] if split(path).is_some() => Vec::new(),
            _ => records,
        }
    }
}

/// Writes entries behind each other.
pub(super) struct TarWriter<W> {
    to: W,
}

impl<W: Write> TarWriter<W> {
    pub(super) fn new(to: W) -> Self {
        Self { to }
    }

    pub(super) fn append(&mut self, header: &Header, content: &[u8]) -> io::Result<()> {
        let records = header.records();
        let with_pax = !records.is_empty();
        if with_pax {
            // Go: `path.Join(folder, "PaxHeaders.0", name)`.
            let text: String = records
                .iter()
                .map(|(keyword, value)| record(keyword, value))
                .collect();
            let (folder, name) = header.path.rsplit_once('/').unwrap_or(("", &header.path));
            let path = format!("{folder}/PaxHeaders.0/{name}");
            self.to
                .write_all(&pax_block(path.trim_matches('/'), text.len() as u64))?;
            self.write_padded(text.as_bytes())?;
        }
        self.to.write_all(&block(header, with_pax))?;
        self.write_padded(content)
    }

    /// Ends the archive.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.to.write_all(&[0; 2 * BLOCK])?;
        Ok(self.to)
    }

    fn write_padded(&mut self, content: &[u8]) -> io::Result<()> {
        self.to.write_all(content)?;
        let rest = content.len() % BLOCK;
        if rest > 0 {
            self.to.write_all(&[0; BLOCK][rest..])?;
        }
        Ok(())
    }
}

/// A PAX record: its own length in decimal, keyword, value.
fn record(keyword: &str, value: &str) -> String {
    let rest = keyword.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {keyword}={value}\n")
}

/// A long path as prefix and name. Go: at the last slash that leaves a prefix of at most 155 bytes.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= NAME || !path.is_ascii() {
        return None;
    }
    let end = if path.len() > PREFIX + 1 {
        PREFIX + 1
    } else {
        path.len() - usize::from(path.ends_with('/'))
    };
    let slash = path[..end].rfind('/').filter(|slash| *slash > 0)?;
    let (prefix, name) = (&path[..slash], &path[slash + 1..]);
    (name.len() <= NAME && !name.is_empty()).then_some((prefix, name))
}

fn block(header: &Header, with_pax: bool) -> [u8; BLOCK] {
    let owner = &header.owner;
    let mut block = [0; BLOCK];
    let (prefix, name) = match split(&header.path) {
        Some(parts) if !with_pax => parts,
        _ => ("", header.path.as_str()),
    };
    put_text(&mut block[..NAME], name);
    put_octal(&mut block[100..108], u64::from(header.mode));
    put_octal(&mut block[108..116], owner.user_id);
    put_octal(&mut block[116..124], owner.group_id);
    put_octal(&mut block[124..136], header.size);
    put_octal(&mut block[136..148], TIME);
    block[156] = match header.kind {
        Kind::File => b'0',
        Kind::Link(_) => b'2',
        Kind::Folder => b'5',
    };
    put_text(&mut block[157..257], header.link());
    put_text(&mut block[265..297], &owner.user);
    put_text(&mut block[297..329], &owner.group);
    put_octal(&mut block[329..337], 0);
    put_octal(&mut block[337..345], 0);
    put_text(&mut block[345..500], prefix);
    sealed(block)
}

fn pax_block(path: &str, size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let ascii: String = path.chars().filter(char::is_ascii).collect();
    put_text(
        &mut block[..NAME],
        ascii[..ascii.len().min(NAME)].trim_end_matches('/'),
    );
    for field in [100..108, 108..116, 116..124, 136..148] {
        put_octal(&mut block[field], 0);
    }
    put_octal(&mut block[124..136], size);
    block[156] = b'x';
    sealed(block)
}

/// Adds format and checksum.
fn sealed(mut block: [u8; BLOCK]) -> [u8; BLOCK] {
    block[257..265].copy_from_slice(b"ustar\x0000");
    block[148..156].fill(b' ');
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    put_octal(&mut block[148..155], sum);
    block
}

/// Go: what is not ASCII is left out, what is too long is cut, and a cut must not look like a folder.
fn put_text(field: &mut [u8], text: &str) {
    let ascii: String = text.chars().filter(char::is_ascii).collect();
    let length = ascii.len().min(field.len());
    field[..length].copy_from_slice(&ascii.as_bytes()[..length]);
    if ascii.len() > field.len() && field.last() == Some(&b'/') {
        let end = ascii[..length - 1].trim_end_matches('/').len();
        field[end] = 0;
    }
}

/// Zero-padded with a NUL behind; 0 where it does not fit and stands in a PAX record.
fn put_octal(field: &mut [u8], value: u64) {
    let width = field.len() - 1;
    let mut text = format!("{value:0width$o}");
    if text.len() > width {
        text = format!("{:0width$o}", 0);
    }
    field[..width].copy_from_slice(text.as_bytes());
    field[width] = 0;
}

#[cfg(test)]
#[path = "tar_tests.rs"]
mod tests;
