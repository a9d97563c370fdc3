//! `kiel::git` on real repositories; the real git is the oracle for what it must see.

mod git {
    pub(crate) mod layers;
    pub(crate) mod sandbox;
    pub(crate) mod status;
    pub(crate) mod trees;
}
