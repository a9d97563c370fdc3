//! Bytes that are written once and then read part by part: in memory while they are few, else in an anonymous file.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tempfile::SpooledTempFile;

/// Up to this size they stay in memory.
const IN_MEMORY: usize = 8 << 20;

/// What is written so far.
pub(crate) struct Spool {
    file: SpooledTempFile,
    hash: Sha256,
    size: u64,
}

/// All that was written.
#[derive(Debug, Clone)]
pub(crate) struct Spooled {
    /// `sha256:…`
    pub(crate) digest: String,
    pub(crate) size: u64,
    file: Arc<Mutex<SpooledTempFile>>,
}

impl Spool {
    pub(crate) fn new() -> Self {
        Self {
            file: SpooledTempFile::new(IN_MEMORY),
            hash: Sha256::new(),
            size: 0,
        }
    }

    pub(crate) fn finish(mut self) -> io::Result<Spooled> {
        self.flush()?;
        Ok(Spooled {
            digest: format!("sha256:{}", hex::encode(self.hash.finalize())),
            size: self.size,
            file: Arc::new(Mutex::new(self.file)),
        })
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Spooled {
    /// Up to `length` bytes from `offset` on; fewer at the end. Readers share the file and don't disturb each other.
    pub(crate) fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut buffer = vec![0; length.min(left)];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(&mut buffer)?;
        Ok(buffer.into())
    }
}
