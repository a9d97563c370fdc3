//! Tables in the layout of Helm's: columns as wide as their widest cell, a tab between them, long cells cut.

use unicode_width::UnicodeWidthChar;

/// The lines of a table, without a final line break; 0 sets no limit for the columns' width.
pub(super) fn table(rows: &[Vec<String>], limit: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let width = cells.flat_map(|cell| cell.split('\n')).map(columns_of).max();
        match width.unwrap_or_default() {
            width if limit > 0 => width.min(limit),
            width => width,
        }
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let lines: Vec<String> = rows.iter().map(|row| lines(row, &widths)).collect();
    lines.join("\n")
}

/// Go: a cell is fitted as a whole first, and each of its lines then.
fn lines(row: &[String], widths: &[usize]) -> String {
    let cells: Vec<String> = row
        .iter()
        .zip(widths)
        .map(|(cell, width)| fitted(cell, *width))
        .collect();
    let cells: Vec<Vec<&str>> = cells.iter().map(|cell| cell.split('\n').collect()).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(1);
    let line = |at: usize| {
        let parts: Vec<String> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| match cell.get(at) {
                Some(part) => fitted(part, *width),
                None => " ".repeat((*width).max(1)),
            })
            .collect();
        parts.join("\t")
    };
    (0..height).map(line).collect::<Vec<_>>().join("\n")
}

/// Go: characters that control something take no column.
fn columns_of(text: &str) -> usize {
    text.chars().filter_map(UnicodeWidthChar::width).sum()
}

/// Go: `strutil.Resize`: the width counts columns, the cut counts bytes.
fn fitted(text: &str, width: usize) -> String {
    let own = columns_of(text);
    if width == 0 || own == width {
        return text.to_owned();
    }
    if own < width {
        return format!("{text}{}", " ".repeat(width - own));
    }
    let cut = text.as_bytes().get(..width.saturating_sub(3)).unwrap_or_default();
    format!("{}...", String::from_utf8_lossy(cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_padded_and_cut() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let rows = [
            row(&["NAME", "URL"]),
            row(&["a", "0123456789abc"]),
            row(&["bcdef", "ü"]),
        ];
        assert_eq!(
            table(&rows, 10),
            "NAME \tURL       \na    \t0123456...\nbcdef\tü         "
        );
        // Go: a cell of several lines is cut as if it were one.
        assert_eq!(table(&[row(&["a\nbb", "c"])], 0), "...\tc");
    }
}
