// The largest number of each row, the first of equal ones, and the logarithm of its softmax. A workgroup has a part of a row; where
// rows have several parts, it is run once more on what it has found of them.
//
// Before it: FIRST (`x` has numbers; else three for each part, as they are found here), LAST (the result is written).

struct Params {
    // Of a row: numbers or parts.
    count: u32,
    // Workgroups of a row, and what each has.
    groups: u32,
    each: u32,
}

// What was found of some numbers.
struct Found {
    // Where the largest is; negative where none is a number.
    index: f32,
    most: f32,
    // Of the exponentials of the differences to the largest.
    sum: f32,
}

const LANES: u32 = 128u;
const LOWEST: f32 = -3.4028234e38;

var<workgroup> found: array<Found, LANES>;

fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn item(row: u32, i: u32) -> Found {
    if FIRST {
        let number = x[row * p.count + i];
        if is_nan(number) {
            return Found(-1.0, LOWEST, number);
        }
        return Found(f32(i), number, 1.0);
    }
    let at = 3u * (row * p.count + i);
    return Found(x[at], x[at + 1u], x[at + 2u]);
}

fn joined(a: Found, b: Found) -> Found {
    let earlier = b.most == a.most && b.index < a.index;
    var one = a;
    var other = b;
    if b.index >= 0.0 && (a.index < 0.0 || b.most > a.most || earlier) {
        one = b;
        other = a;
    }
    return Found(one.index, one.most, one.sum + other.sum * exp(other.most - one.most));
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let row = group.y;
    let first = group.x * p.each;
    let end = min(first + p.each, p.count);
    var own = Found(-1.0, LOWEST, 0.0);
    for (var i = first + local; i < end; i += LANES) {
        own = joined(own, item(row, i));
    }
    found[local] = own;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if local < half {
            found[local] = joined(found[local], found[local + half]);
        }
        workgroupBarrier();
    }
    if local > 0u {
        return;
    }
    let all = found[0];
    if LAST {
        out[2u * row] = all.index;
        out[2u * row + 1u] = -log(all.sum);
    } else {
        let at = 3u * (row * p.groups + group.x);
        out[at] = all.index;
        out[at + 1u] = all.most;
        out[at + 2u] = all.sum;
    }
}
