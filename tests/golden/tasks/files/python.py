import sys


def total(lines):
    return sum(float(line.split(',')[1]) for line in lines)


if __name__ == '__main__':
    print(total(sys.stdin))
