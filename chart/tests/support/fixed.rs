//! A render that comes out the same each time.

use kiel_template::functions::{Certificate, CertificateRequest, Certificates, Environment, KeyKind};

/// A clock that stands still, entropy that is none, and keys that protect nothing.
pub(crate) struct Fixed;

impl Environment for Fixed {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::UNIX_EPOCH
    }

    fn fill_random(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }

    fn certificates(&self) -> Option<&dyn Certificates> {
        Some(self)
    }
}

impl Certificates for Fixed {
    fn generate_key(&self, kind: KeyKind) -> Result<String, String> {
        Ok(format!("{kind:?}"))
    }

    fn check_key(&self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn check_certificate(&self, _: &[u8], _: &str) -> Result<(), String> {
        Ok(())
    }

    fn issue(&self, request: &CertificateRequest<'_>) -> Result<Certificate, String> {
        Ok(Certificate {
            cert: request.common_name.to_vec().into(),
            key: request.key.to_vec().into(),
        })
    }
}
