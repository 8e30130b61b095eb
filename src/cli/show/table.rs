use std::fmt::Write;

use super::printable;

/// Between two columns.
const GAP: &str = "  ";

/// Lines up columns, each as wide as its widest cell; a column in which every cell is empty is left out.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(heads: &[&str]) -> Self {
        Self { rows: vec![heads.iter().map(|head| (*head).to_owned()).collect()] }
    }

    /// Adds a row of text that others may have written.
    pub(super) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.iter().map(|cell| printable(cell).into_owned()).collect());
    }

    pub(super) fn render(&self) -> String {
        let columns = self.rows.first().map_or(0, Vec::len);
        let wide: Vec<usize> = (0..columns).map(|column| self.width(column)).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&wide).filter(|(_, width)| **width > 0) {
                let _ = write!(line, "{cell:width$}{GAP}");
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// Returns the width of a column, 0 where there is nothing below its head.
    fn width(&self, column: usize) -> usize {
        let cells = || self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        if cells().skip(1).all(|length| length == 0) { 0 } else { cells().max().unwrap_or(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_empty_ones_go() {
        let mut table = Table::new(&["NAME", "EMPTY", "STATE"]);
        table.row(["a", "", "ok"]);
        table.row(["longer-name", "", "held\n"]);
        assert_eq!(table.render(), "NAME         STATE\na            ok\nlonger-name  held\\n\n");
    }
}
