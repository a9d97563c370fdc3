//! What a run asks the server, counted.
