//! Helm and kubectl beside kiel on one release.
