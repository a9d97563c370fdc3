//! The format of an index, as far as it takes to go past entries: versions 2, 3 and 4 (gitformat-index).
//!
//! Everything that is not as expected is `None`.

use std::ops::Range;

use fs_err::File;
use fs_err::os::unix::fs::FileExt as _;
use gix::bstr::{BStr, ByteSlice};
use gix::hash::Kind;

const SIGNATURE: &[u8] = b"DIRC";

/// The length of a path as far as an entry's flags have it.
const LENGTH: u16 = 0xfff;

/// The flag of an entry that has more flags.
const EXTENDED: u16 = 0x4000;

const HEADER: usize = 12;

/// How much is read at once; what a processor's cache holds is not paid for in pages.
const CHUNK: usize = 64 << 10;

/// No path is longer.
const LONGEST: usize = 1 << 20;

/// How entries are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    version: u32,
    pub(super) hash: Kind,
}

/// Neighbours in an index.
#[derive(Debug)]
pub(super) enum Part {
    /// In the format of version 3.
    Entries {
        bytes: Vec<u8>,
        count: u32,
    },
    Skipped(Skipped),
}

/// Where the entries below a folder stand.
#[derive(Debug)]
pub(super) struct Skipped {
    /// With a slash at its end; all entries are below the empty one.
    folder: Vec<u8>,
    from: u64,
    length: u64,
    count: u32,
    /// The path before the first one, of which version 4 takes the beginning.
    before: Vec<u8>,
}

impl Skipped {
    pub(super) fn folder(&self) -> &BStr {
        self.folder.strip_suffix(b"/").unwrap_or(&self.folder).as_bstr()
    }
}

impl Part {
    /// What an index has before it was looked at.
    pub(super) fn all(count: u32) -> Skipped {
        Skipped {
            folder: Vec::new(),
            from: HEADER as u64,
            length: 0,
            count,
            before: Vec::new(),
        }
    }
}

/// The version, and the number of entries.
pub(super) fn header(file: &File, hash: Kind) -> Option<(Layout, u32)> {
    let mut bytes = [0; HEADER];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let version = number(&bytes[4..])?;
    let is_known = bytes.starts_with(SIGNATURE) && matches!(version, 2..=4);
    is_known.then_some((Layout { version, hash }, number(&bytes[8..])?))
}

/// The extension with the trees of folders, whole; empty where there is none. `from` is where the entries end.
pub(super) fn trees(file: &File, mut from: u64, size: u64, hash: Kind) -> Option<Vec<u8>> {
    let end = size.checked_sub(hash.len_in_bytes() as u64)?;
    let mut trees = Vec::new();
    while from < end {
        let mut header = [0; 8];
        file.read_exact_at(&mut header, from).ok()?;
        let length = u64::from(number(&header[4..])?) + 8;
        if length > end - from {
            return None;
        }
        // What has a small letter must be understood; it is what changes the meaning of entries.
        if header[0].is_ascii_lowercase() {
            return None;
        }
        if header.starts_with(b"TREE") {
            trees = vec![0; usize::try_from(length).ok()?];
            file.read_exact_at(&mut trees, from).ok()?;
        }
        from += length;
    }
    (from == end).then_some(trees)
}

impl Layout {
    /// Goes through what was skipped; `counts` is asked about folders, from the outer to the inner ones, and says
    /// which are skipped again. With the end of the last entry.
    pub(super) fn scan(
        self,
        file: &File,
        skipped: &Skipped,
        counts: &mut dyn FnMut(&BStr) -> bool,
    ) -> Option<(Vec<Part>, u64)> {
        let mut window = Window::new(file, skipped.from);
        let mut parts: Vec<Part> = Vec::new();
        let (mut name, mut before) = (skipped.before.clone(), Vec::new());
        // The last folder that counts, with a slash at its end.
        let mut here: Option<Vec<u8>> = None;
        for _ in 0..skipped.count {
            let head = loop {
                match self.head(window.rest())? {
                    Some(head) => break head,
                    None => window.fill()?,
                }
            };
            let entry = &window.rest()[..head.total];
            let path = if let Some(strip) = head.strip {
                before.clone_from(&name);
                name.truncate(name.len().checked_sub(strip)?);
                name.extend_from_slice(&entry[head.path.clone()]);
                &name[..]
            } else {
                &entry[head.path.clone()]
            };
            match parts.last_mut() {
                Some(Part::Skipped(last)) if path.starts_with(&last.folder) => {
                    last.length += head.total as u64;
                    last.count += 1;
                }
                _ => {
                    let folder = &path[..path.rfind_byte(b'/').map_or(0, |slash| slash + 1)];
                    let out = match &here {
                        Some(here) if here == folder => None,
                        _ => first_out(folder, skipped.folder.len(), counts),
                    };
                    if let Some(length) = out {
                        parts.push(Part::Skipped(Skipped {
                            folder: path[..length].to_vec(),
                            from: window.position(),
                            length: head.total as u64,
                            count: 1,
                            before: before.clone(),
                        }));
                    } else {
                        if here.as_deref() != Some(folder) {
                            here = Some(folder.to_vec());
                        }
                        add(&mut parts, &entry[..head.fixed], head.flags, path)?;
                    }
                }
            }
            window.advance(head.total);
        }
        let end = window.position();
        let is_whole = skipped.length == 0 || skipped.from + skipped.length == end;
        is_whole.then_some((parts, end))
    }

    /// Nothing inside where there are not bytes enough.
    fn head(self, data: &[u8]) -> Option<Option<Head>> {
        let at = 40 + self.hash.len_in_bytes();
        if data.len() < at + 4 {
            return Some(None);
        }
        let flags = u16::from_be_bytes([data[at], data[at + 1]]);
        let fixed = at + if flags & EXTENDED == 0 { 2 } else { 4 };
        if data.len() > LONGEST {
            return None;
        }
        if self.version == 4 {
            let Some((strip, length)) = variable(&data[fixed..])? else {
                return Some(None);
            };
            let start = fixed + length;
            let Some(length) = data[start..].find_byte(0) else {
                return Some(None);
            };
            return Some(Some(Head {
                flags: at,
                fixed,
                strip: Some(strip),
                path: start..start + length,
                total: start + length + 1,
            }));
        }
        let length = usize::from(flags & LENGTH);
        let length = if length < usize::from(LENGTH) {
            length
        } else if let Some(length) = data[fixed..].find_byte(0) {
            length
        } else {
            return Some(None);
        };
        let total = padded(fixed + length);
        Some((total <= data.len()).then_some(Head {
            flags: at,
            fixed,
            strip: None,
            path: fixed..fixed + length,
            total,
        }))
    }

    /// A file of the entries that were read.
    pub(super) fn file(self, parts: &[Part], trees: &[u8]) -> Option<Vec<u8>> {
        let entries = parts.iter().filter_map(|part| match part {
            Part::Entries { bytes, count } => Some((bytes, count)),
            Part::Skipped(_) => None,
        });
        let (mut all, mut size) = (0_u32, 0);
        for (bytes, count) in entries.clone() {
            all = all.checked_add(*count)?;
            size += bytes.len();
        }
        let mut content = Vec::with_capacity(HEADER + size + trees.len() + self.hash.len_in_bytes());
        content.extend_from_slice(SIGNATURE);
        content.extend_from_slice(&3_u32.to_be_bytes());
        content.extend_from_slice(&all.to_be_bytes());
        for (bytes, _) in entries {
            content.extend_from_slice(bytes);
        }
        content.extend_from_slice(trees);
        content.extend_from_slice(self.hash.null().as_slice());
        Some(content)
    }
}

/// The length of the first folder on the way to this one, behind `from`, that does not count, with its slash.
fn first_out(folder: &[u8], from: usize, counts: &mut dyn FnMut(&BStr) -> bool) -> Option<usize> {
    let slashes = folder.iter().enumerate().skip(from);
    let mut slashes = slashes.filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    slashes
        .find(|slash| !counts(folder[..*slash].as_bstr()))
        .map(|slash| slash + 1)
}

/// Adds an entry in the format of version 3; `flags` is where these stand.
fn add(parts: &mut Vec<Part>, fixed: &[u8], flags: usize, path: &[u8]) -> Option<()> {
    if !matches!(parts.last(), Some(Part::Entries { .. })) {
        let (bytes, count) = (Vec::new(), 0);
        parts.push(Part::Entries { bytes, count });
    }
    let Some(Part::Entries { bytes, count }) = parts.last_mut() else {
        return None;
    };
    // The length behind which readers look for the end; no file has such a path.
    let length = u16::try_from(path.len()).ok().filter(|length| *length < LENGTH)?;
    let start = bytes.len();
    bytes.extend_from_slice(fixed);
    let flags = bytes.get_mut(start + flags..)?.first_chunk_mut()?;
    *flags = (u16::from_be_bytes(*flags) & !LENGTH | length).to_be_bytes();
    bytes.extend_from_slice(path);
    bytes.resize(start + padded(fixed.len() + path.len()), 0);
    *count = count.checked_add(1)?;
    Some(())
}

/// Entries end with one to eight zeros.
fn padded(length: usize) -> usize {
    (length + 8) & !7
}

/// What an entry consists of.
struct Head {
    /// Where the flags stand.
    flags: usize,
    /// What stands before the path.
    fixed: usize,
    /// How much of the path before is not in this one, where it is told so.
    strip: Option<usize>,
    path: Range<usize>,
    total: usize,
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.first_chunk()?))
}

/// A number of variable length, and its length; nothing inside where there are not bytes enough.
fn variable(bytes: &[u8]) -> Option<Option<(usize, usize)>> {
    let mut value = 0_usize;
    for (at, byte) in bytes.iter().enumerate() {
        value = value.checked_mul(128)?.checked_add(usize::from(byte & 127))?;
        if byte & 128 == 0 {
            return Some(Some((value, at + 1)));
        }
        value = value.checked_add(1)?;
    }
    Some(None)
}

/// A part of the file.
struct Window<'a> {
    file: &'a File,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Of the end.
    position: u64,
}

impl<'a> Window<'a> {
    fn new(file: &'a File, position: u64) -> Self {
        Self {
            file,
            bytes: vec![0; CHUNK],
            start: 0,
            end: 0,
            position,
        }
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Where the rest begins.
    fn position(&self) -> u64 {
        self.position - (self.end - self.start) as u64
    }

    fn advance(&mut self, length: usize) {
        self.start += length;
    }

    /// Adds to the rest; nothing at the end of the file.
    fn fill(&mut self) -> Option<()> {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end == self.bytes.len() {
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        let read = self
            .file
            .read_at(&mut self.bytes[self.end..], self.position)
            .ok()?;
        self.end += read;
        self.position += read as u64;
        (read > 0).then_some(())
    }
}
