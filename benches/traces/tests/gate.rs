//! The rows that take a second: a loop, recency and a database, each within a point of the best fixed policy.

use std::process::Command;

#[test]
fn the_quick_rows_are_met() {
    let output = Command::new(env!("CARGO_BIN_EXE_traces"))
        .args(["--gate", "--only", "lirs-loop 505,corda 904,OLTP 1000"])
        .output()
        .expect("the program of this package starts");
    let (table, progress) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{table}{progress}", output.status);
    assert_eq!(table.matches(" met ").count(), 3, "{table}");
}
