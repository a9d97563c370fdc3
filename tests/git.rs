//! `kiel::git` on real repositories; the real git is the oracle for what it must see;
//! and what reading the example costs and says.

mod git {
    pub(crate) mod clones;
    pub(crate) mod examples;
    pub(crate) mod layers;
    pub(crate) mod names;
    pub(crate) mod overlay;
    pub(crate) mod sandbox;
    pub(crate) mod selection;
    pub(crate) mod status;
    pub(crate) mod submodules;
    pub(crate) mod trees;
}
