// A product of a few rows with packed weights, as it is for each token of a reply. A workgroup has some panels of 8 columns; 16
// invocations share the weights of a column.
//
// Before it: ROWS (1, 2 or 4), PANELS (of a workgroup), GATED (two panels make one of the result: the first one's activation,
// times the second), OFFSETS, `epilogue`, and `weights` of a column.

struct Params {
    rows: u32,
    // Of the result.
    columns: u32,
    inner: u32,
    // The first column of these weights, and their panels.
    first: u32,
    panels: u32,
    // Panels from one of a workgroup to the next.
    apart: u32,
    unused0: u32,
    unused1: u32,
    // What `weights` finds its numbers by.
    extra: vec4<u32>,
}

const LANES: u32 = 128u;
const SLICES: u32 = 16u;
// Four numbers of a row each: 8 KB.
const QUADS: u32 = 512u;
const ROW_QUADS: u32 = QUADS / ROWS;
const SUMS: u32 = PANELS * ROWS;

var<workgroup> x_tile: array<vec4<f32>, QUADS>;
var<workgroup> partial: array<f32, LANES>;

// Rows too many are those of the last one, and not written.
fn number(row: u32, column: u32) -> f32 {
    return x[min(row, p.rows - 1u) * p.inner + column];
}

// Four numbers from `column` on; zero behind the last.
fn four_numbers(row: u32, column: u32) -> vec4<f32> {
    var four = vec4<f32>();
    if column + 3u < p.inner {
        four = vec4<f32>(
            number(row, column), number(row, column + 1u), number(row, column + 2u), number(row, column + 3u)
        );
    } else {
        if column < p.inner { four.x = number(row, column); }
        if column + 1u < p.inner { four.y = number(row, column + 1u); }
        if column + 2u < p.inner { four.z = number(row, column + 2u); }
    }
    return four;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let workgroup = group.y * groups.x + group.x;
    let lane = local % 8u;
    let slice = local / 8u;
    let first_panel = workgroup / p.apart * (p.apart * PANELS) + workgroup % p.apart;
    var sums: array<f32, SUMS>;
    for (var i = 0u; i < SUMS; i += 1u) {
        sums[i] = 0.0;
    }
    for (var first = 0u; first < p.inner; first += 4u * ROW_QUADS) {
        for (var i = local; i < QUADS; i += LANES) {
            x_tile[i] = four_numbers(i / ROW_QUADS, first + 4u * (i % ROW_QUADS));
        }
        workgroupBarrier();
        let count = min(4u * ROW_QUADS, p.inner - first);
        for (var unit = slice; 8u * unit < count; unit += SLICES) {
            for (var i = 0u; i < PANELS; i += 1u) {
                let panel = first_panel + i * p.apart;
                if panel >= p.panels {
                    break;
                }
                let w = weights(panel, lane, first / 8u + unit);
                for (var row = 0u; row < ROWS; row += 1u) {
                    let low = x_tile[row * ROW_QUADS + 2u * unit];
                    let high = x_tile[row * ROW_QUADS + 2u * unit + 1u];
                    var term = w.scale * (dot(low, w.low) + dot(high, w.high));
                    if OFFSETS {
                        term += w.offset * dot(low + high, vec4<f32>(1.0));
                    }
                    sums[i * ROWS + row] += term;
                }
            }
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < SUMS; i += 1u) {
        partial[local] = sums[i];
        workgroupBarrier();
        if local < 8u {
            var sum = 0.0;
            for (var k = 0u; k < SLICES; k += 1u) {
                sum += partial[8u * k + local];
            }
            sums[i] = sum;
        }
        workgroupBarrier();
    }
    if local >= 8u {
        return;
    }
    for (var row = 0u; row < min(ROWS, p.rows); row += 1u) {
        if GATED {
            // There may be workgroups too many.
            if first_panel < p.apart {
                let column = 8u * first_panel + lane;
                let to = row * p.columns + column;
                let gate = epilogue(sums[row], to, column);
                out[to] = gate * linear(sums[SUMS - ROWS + row], column + 8u * p.apart);
            }
        } else {
            for (var i = 0u; i < PANELS; i += 1u) {
                let column = p.first + 8u * (first_panel + i * p.apart) + lane;
                if first_panel + i * p.apart < p.panels && column < p.columns {
                    let to = row * p.columns + column;
                    out[to] = epilogue(sums[i * ROWS + row], to, column);
                }
            }
        }
    }
}
