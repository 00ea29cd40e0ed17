//! A graph as a Mermaid flowchart.

use std::fmt::Write;

use super::{Exit, Graph, State};

impl<S: State> Graph<S> {
    /// Draws it.
    pub fn mermaid(&self) -> String {
        let mut drawn = String::from("flowchart TD\n");
        for (place, entry) in self.nodes.iter().enumerate() {
            let _ = writeln!(drawn, "    n{place}[\"{}\"]", entry.name.replace('"', "'"));
        }
        let place = |name: &str| self.place(name).unwrap_or_default();
        for (from, entry) in self.nodes.iter().enumerate() {
            for exit in &entry.exits {
                let _ = match exit {
                    Exit::To(name) => writeln!(drawn, "    n{from} --> n{}", place(name)),
                    Exit::Wait(name) => {
                        writeln!(drawn, "    n{from} -. waits .-> n{}", place(name))
                    }
                    Exit::End => writeln!(drawn, "    n{from} --> done((end))"),
                    Exit::Leave => writeln!(drawn, "    n{from} --> left((leave))"),
                };
            }
        }
        drawn
    }
}
