//! Versions and constraints.
/// tmp
pub(crate) fn is_version(text: &str) -> bool {
    text.split('.').all(|p| p.parse::<u32>().is_ok())
}
/// tmp
pub(crate) fn is_compatible(constraint: &str, _version: &str) -> bool {
    !constraint.starts_with('2')
}
