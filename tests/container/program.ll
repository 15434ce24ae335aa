; The sum of the squares of the odd numbers below n, as a compiler that optimises nothing writes it.

define internal i32 @square(i32 %value) {
  %slot = alloca i32
  store i32 %value, ptr %slot
  %a = load i32, ptr %slot
  %b = load i32, ptr %slot
  %product = mul i32 %a, %b
  ret i32 %product
}

define i32 @sum_of_odd_squares(i32 %n) {
entry:
  %limit = alloca i32
  %i = alloca i32
  %sum = alloca i32
  store i32 %n, ptr %limit
  store i32 0, ptr %i
  store i32 0, ptr %sum
  br label %check

check:
  %i1 = load i32, ptr %i
  %limit1 = load i32, ptr %limit
  %more = icmp slt i32 %i1, %limit1
  br i1 %more, label %body, label %end

body:
  %i2 = load i32, ptr %i
  %bit = and i32 %i2, 1
  %odd = icmp ne i32 %bit, 0
  br i1 %odd, label %add, label %next

add:
  %i3 = load i32, ptr %i
  %square = call i32 @square(i32 %i3)
  %sum1 = load i32, ptr %sum
  %sum2 = add i32 %sum1, %square
  store i32 %sum2, ptr %sum
  br label %next

next:
  %i4 = load i32, ptr %i
  %i5 = add i32 %i4, 1
  store i32 %i5, ptr %i
  br label %check

end:
  %result = load i32, ptr %sum
  ret i32 %result
}
