//! What stands before the headers of a layer's entries: PAX records, and GNU's long names under the keywords of PAX.
//!
//! Records are read by their length, as the specification has it: a value, such as a file's name, may hold line feeds.

use std::collections::BTreeMap;
use std::io::{Error, Read, Result};

use bytes::Bytes;

/// Values for the next entry.
#[derive(Debug, Default)]
pub(crate) struct Extended(BTreeMap<String, Vec<u8>>);

impl Extended {
    /// Takes the values of such an entry; false where it is an ordinary one. Entries must be read raw.
    pub(crate) fn take<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Result<bool> {
        let mut content = Vec::new();
        match entry.header().entry_type() {
            tar::EntryType::XHeader => {
                entry.read_to_end(&mut content)?;
                self.0
                    .extend(records(&content).ok_or_else(|| Error::other("a PAX record is broken"))?);
            }
            kind @ (tar::EntryType::GNULongName | tar::EntryType::GNULongLink) => {
                entry.read_to_end(&mut content)?;
                content.truncate(
                    content
                        .iter()
                        .position(|byte| *byte == 0)
                        .unwrap_or(content.len()),
                );
                let is_name = kind == tar::EntryType::GNULongName;
                let keyword = if is_name { "path" } else { "linkpath" };
                self.0.insert(keyword.to_owned(), content);
            }
            tar::EntryType::XGlobalHeader => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The name of the entry that follows; bytes that are no text are replaced.
    pub(crate) fn path<R: Read>(&self, entry: &tar::Entry<'_, R>) -> String {
        let path = self
            .value("path")
            .unwrap_or_else(|| entry.path_bytes().into_owned());
        String::from_utf8_lossy(&path).into_owned()
    }

    pub(crate) fn value(&self, keyword: &str) -> Option<Vec<u8>> {
        self.0.get(keyword).cloned()
    }

    /// A number, cut at its point.
    pub(crate) fn number(&self, keyword: &str) -> Option<u64> {
        let value = std::str::from_utf8(self.0.get(keyword)?).ok()?;
        value.split('.').next()?.parse().ok()
    }

    pub(crate) fn xattrs(&self) -> BTreeMap<String, Bytes> {
        let name = |(keyword, value): (&String, &Vec<u8>)| {
            let name = keyword.strip_prefix("SCHILY.xattr.")?;
            Some((name.to_owned(), Bytes::copy_from_slice(value)))
        };
        self.0.iter().filter_map(name).collect()
    }
}

fn records(mut bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
        let record = bytes.get(space + 1..length)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|byte| *byte == b'=')?;
        let keyword = String::from_utf8(record[..equals].to_vec()).ok()?;
        records.push((keyword, record[equals + 1..].to_vec()));
        bytes = &bytes[length..];
    }
    Some(records)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_by_their_length() {
        let found = records(b"12 path=a\nb\n15 uid=1234567\n").expect("records");
        let want = [("path", &b"a\nb"[..]), ("uid", &b"1234567"[..])];
        assert!(
            found
                .iter()
                .map(|(keyword, value)| (keyword.as_str(), &value[..]))
                .eq(want),
            "{found:?}"
        );
        for broken in [&b"13 path=a\nb\n"[..], b"5 a=b", b"x", b"0 a=b\n"] {
            assert_eq!(records(broken), None, "{broken:?}");
        }
    }
}
