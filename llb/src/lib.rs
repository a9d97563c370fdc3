//! kiel-llb.
